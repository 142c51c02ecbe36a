#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <map>
#include <mutex>

#include "core/error.h"
#include "data/arrow/module.h"
#include "data/source/parquet.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

constexpr const char* kFile = "libplumb_arrow.so";

// Sanitizers refuse to look into a library that prefers its own symbols; they see OpenSSL twice then, which tests bear.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

struct Module {
  std::string wrong;
  ReadParquet* read_parquet = nullptr;
  OpenStore* open_store = nullptr;
};

// Beside the program, where `cmake --install` puts it, or where it was built.
std::vector<std::string> places() {
  std::vector<std::string> found;
  char self[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self);
  if (n > 0) {
    const auto folder = std::filesystem::path(std::string(self, static_cast<size_t>(n))).parent_path();
    found.push_back(folder / kFile);
    found.push_back(folder.parent_path() / "lib" / "plumb" / kFile);
  }
  found.push_back(PLUMB_ARROW_MODULE);
  return found;
}

Module load() {
  Module module;
  for (const auto& place : places()) {
    if (::access(place.c_str(), R_OK) != 0) continue;
    void* library = ::dlopen(place.c_str(), kFlags);  // stays until the end
    if (!library) {
      const char* reason = ::dlerror();
      module.wrong = std::string("Arrow's libraries cannot be loaded: ") + (reason ? reason : "no reason given");
      continue;
    }
    module.read_parquet = reinterpret_cast<ReadParquet*>(::dlsym(library, "plumb_arrow_read_parquet"));
    module.open_store = reinterpret_cast<OpenStore*>(::dlsym(library, "plumb_arrow_open_store"));
    module.wrong.clear();
    if (!module.read_parquet || !module.open_store) module.wrong = place + " is not of this version of plumb";
    return module;
  }
  if (module.wrong.empty()) module.wrong = std::string(kFile) + " of this build is gone (" + PLUMB_ARROW_MODULE + ")";
  return module;
}

const Module& module() {
  static const Module loaded = load();
  return loaded;
}

void check(const std::string& path) {
  if (!module().wrong.empty()) fail_input(path, module().wrong, kArrowHint);
}

}  // namespace

std::string arrow_unavailable() { return module().wrong; }

std::unique_ptr<RowReader> read_parquet(const std::filesystem::path& file, const std::vector<std::string>& columns) {
  check(file.string());
  std::vector<const char*> names;
  for (const auto& column : columns) names.push_back(column.c_str());
  return std::unique_ptr<RowReader>(module().read_parquet(file.c_str(), names.data(), names.size()));
}

std::shared_ptr<Store> Store::of(std::string_view path) {
  if (!is_remote(path)) fail_input(std::string(path), "expected a path that begins with s3://");
  check(std::string(path));
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  static std::mutex mutex;
  // Never destroyed: Arrow's S3 is shut down at exit, before objects of static life would be.
  static auto& stores = *new std::map<std::string, std::shared_ptr<Store>>();
  const std::lock_guard lock(mutex);
  auto& store = stores[variable("AWS_ENDPOINT_URL_S3") + " " + variable("AWS_ENDPOINT_URL")];
  if (!store) store.reset(module().open_store());
  return store;
}

}  // namespace plumb::data
