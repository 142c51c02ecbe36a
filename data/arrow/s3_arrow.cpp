// S3-compatible stores through Arrow's file system (libarrow_s3 of the pyarrow wheel).
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/key_value_metadata.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "data/arrow/module.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

constexpr int kAttempts = 5;
constexpr double kConnectSeconds = 10;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// "s3://bucket/key" -> "bucket/key", as Arrow names objects.
std::string inner(const std::string& path) { return path.substr(5); }

[[noreturn]] void fail_store(const std::string& path, const arrow::Status& status) {
  std::string reason = status.message().substr(0, 400);
  const auto has = [&](const char* what) { return reason.find(what) != std::string::npos; };
  std::string hint = "AWS_ENDPOINT_URL, AWS_REGION and the network: can this machine reach the store?";
  if (has("ACCESS_DENIED") || has("INVALID_ACCESS_KEY_ID") || has("SIGNATURE_DOES_NOT_MATCH") ||
      has("HTTP status 403")) {
    hint = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE): may they read this bucket?";
  } else if (has("NO_SUCH_BUCKET") || has("NO_SUCH_KEY") || has("RESOURCE_NOT_FOUND") || has("HTTP status 404") ||
             has("not found") || has("does not exist")) {
    hint = "no such bucket or object on this server: check the path, AWS_ENDPOINT_URL and AWS_REGION";
  }
  fail_input(path, "the object store says: " + reason, hint);
}

template <class T>
T value_of(const std::string& path, arrow::Result<T> result) {
  if (!result.ok()) fail_store(path, result.status());
  return std::move(result).ValueUnsafe();
}

void check(const std::string& path, const arrow::Status& status) {
  if (!status.ok()) fail_store(path, status);
}

void start_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    arrow::fs::S3GlobalOptions options = arrow::fs::S3GlobalOptions::Defaults();
    options.log_level = arrow::fs::S3LogLevel::Off;  // what goes wrong comes out as an Error
    check("s3://", arrow::fs::InitializeS3(options));
  });
}

struct Endpoint {
  std::string scheme, address;  // empty: Amazon's
};

Endpoint endpoint() {
  std::string url = variable("AWS_ENDPOINT_URL_S3");
  if (url.empty()) url = variable("AWS_ENDPOINT_URL");
  if (url.empty()) return {};
  const auto scheme = url.find("://");
  if (scheme == std::string::npos || (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https")) {
    fail_input("AWS_ENDPOINT_URL",
               "expected http://host:port or https://host:port, found \"" + url.substr(0, 100) + "\"");
  }
  Endpoint found{url.substr(0, scheme), url.substr(scheme + 3)};
  while (found.address.ends_with('/')) found.address.pop_back();
  return found;
}

// Keys from the environment; the SDK's own chain where a variable says so; else nobody in particular. Never the
// metadata service of a cloud, whose absence costs seconds at every start.
void set_credentials(arrow::fs::S3Options& options) {
  const std::string key = variable("AWS_ACCESS_KEY_ID"), secret = variable("AWS_SECRET_ACCESS_KEY");
  if (!key.empty() && !secret.empty()) return options.ConfigureAccessKey(key, secret, variable("AWS_SESSION_TOKEN"));
  for (const char* name :
       {"AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}) {
    if (!variable(name).empty()) return options.ConfigureDefaultCredentials();
  }
  options.ConfigureAnonymousCredentials();
}

// The libraries of the wheel look for certificates where the system they were built on keeps them.
std::string certificates() {
  for (const char* name : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (!variable(name).empty()) return variable(name);
  }
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}) {
    if (::access(file, R_OK) == 0) return file;
  }
  return "";
}

arrow::fs::S3Options options_from_environment() {
  arrow::fs::S3Options options;
  set_credentials(options);
  if (const auto other = endpoint(); !other.scheme.empty()) {
    options.scheme = other.scheme, options.endpoint_override = other.address;
  }
  options.region = variable("AWS_REGION");
  if (options.region.empty()) options.region = variable("AWS_DEFAULT_REGION");
  if (options.region.empty()) options.region = "us-east-1";
  options.connect_timeout = kConnectSeconds;
  options.retry_strategy = arrow::fs::S3RetryStrategy::GetAwsStandardRetryStrategy(kAttempts);
  options.tls_ca_file_path = certificates();
  options.background_writes = false;
  return options;
}

class S3Object : public StoreObject {
 public:
  S3Object(const std::string& path, std::shared_ptr<arrow::io::RandomAccessFile> file) : file_(std::move(file)) {
    entry_.path = path;
    entry_.bytes = static_cast<uint64_t>(value_of(path, file_->GetSize()));
    const auto metadata = value_of(path, file_->ReadMetadata());
    if (metadata) entry_.etag = metadata->Get("ETag").ValueOr("");
    std::erase(entry_.etag, '"');
  }
  StoreEntry entry() const override { return entry_; }
  size_t read(uint64_t offset, std::span<char> out) override {
    for (int attempt = 1;; ++attempt) {
      const auto got = file_->ReadAt(static_cast<int64_t>(offset), static_cast<int64_t>(out.size()), out.data());
      if (got.ok()) return static_cast<size_t>(*got);
      if (attempt >= kAttempts) fail_store(entry_.path, got.status());
      std::this_thread::sleep_for(std::chrono::milliseconds(100 << attempt));  // a connection cut while data came
    }
  }

 private:
  std::shared_ptr<arrow::io::RandomAccessFile> file_;
  StoreEntry entry_;
};

class S3Store : public Store {
 public:
  explicit S3Store(const arrow::fs::S3Options& options) {
    server_ = options.scheme + "://" + (options.endpoint_override.empty() ? options.region : options.endpoint_override);
    system_ = value_of("s3://", arrow::fs::S3FileSystem::Make(options));
  }

  std::vector<StoreEntry> list(const std::string& path) override {
    std::string name = inner(path);
    while (name.ends_with('/')) name.pop_back();
    if (name.empty() || name.starts_with('/')) fail_input(path, "expected s3://bucket/key");
    std::vector<StoreEntry> found;
    const auto info = value_of(path, system_->GetFileInfo(name));
    const auto add = [&](const arrow::fs::FileInfo& one) {
      if (one.type() != arrow::fs::FileType::File) return;
      StoreEntry entry;
      entry.path = "s3://" + one.path(), entry.bytes = static_cast<uint64_t>(one.size());
      found.push_back(std::move(entry));
    };
    add(info);
    if (info.type() == arrow::fs::FileType::Directory) {
      arrow::fs::FileSelector below;
      below.base_dir = name, below.recursive = true;
      for (const auto& one : value_of(path, system_->GetFileInfo(below))) add(one);
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return found;
  }

  std::unique_ptr<StoreObject> open(const std::string& path) override {
    return std::make_unique<S3Object>(path, value_of(path, system_->OpenInputFile(inner(path))));
  }
  std::string server() const override { return server_; }

 private:
  std::shared_ptr<arrow::fs::S3FileSystem> system_;
  std::string server_;
};

}  // namespace

extern "C" Store* plumb_arrow_open_store() {
  endpoint();  // said before anything is started
  start_once();
  // Behind the first client: what Arrow keeps of its clients is made then, and goes at exit in reverse order.
  const auto finish_at_exit = [] {
    static std::once_flag once;
    std::call_once(once, [] { std::atexit([] { (void)arrow::fs::EnsureS3Finalized(); }); });
  };
  try {
    auto* store = new S3Store(options_from_environment());
    finish_at_exit();
    return store;
  } catch (...) {
    finish_at_exit();
    throw;
  }
}

}  // namespace plumb::data
