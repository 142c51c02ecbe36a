// Objects of an S3-compatible store as local files: listed, fetched into a bounded cache, verified, pinned while used.
//
// Credentials come from AWS_* variables only; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL names another server than
// Amazon's. The cache is a folder that several processes may share. Nothing in it is deleted but what a Store wrote
// there: a file counts as written by a Store only if the sidecar beside it says so and its size, inode and time still
// agree.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

namespace plumb::data {

using core::is_remote;

struct StoreCache {
  std::filesystem::path folder;  // empty: a folder of this user below the system's folder for temporary files
  uint64_t limit = uint64_t{64} << 30;
  double patience = 60;  // seconds to wait for room while everything in the cache is in use
};
void set_store_cache(StoreCache cache);  // of this process, from now on
StoreCache store_cache();

struct StoreEntry {
  std::string path;  // s3://bucket/key
  uint64_t bytes = 0;
  std::string etag;             // filled by stat, not by list
  std::string version() const;  // "etag bytes": changes with the content
};

// A fetched object. The file stays where it is at least as long as this object (or a copy) lives.
class LocalFile {
 public:
  LocalFile() = default;
  explicit LocalFile(std::filesystem::path path, std::shared_ptr<void> pin = nullptr)
      : path_(std::move(path)), pin_(std::move(pin)) {}
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::shared_ptr<void> pin_;
};

// One object, opened. Errors of the connection are retried before they come out.
class StoreObject {
 public:
  virtual ~StoreObject() = default;
  virtual StoreEntry entry() const = 0;
  // Fills `out` from `offset` on; less only at the end of the object.
  virtual size_t read(uint64_t offset, std::span<char> out) = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  // The store of a path; one a process and server. Error with a hint when this build has no Arrow.
  static std::shared_ptr<Store> of(std::string_view path);

  // The object itself, or every object below a folder; sorted by path. Empty when there is none. Markers of empty
  // folders are left out.
  virtual std::vector<StoreEntry> list(const std::string& path) = 0;
  virtual std::unique_ptr<StoreObject> open(const std::string& path) = 0;  // Error(bad_input) when missing
  virtual std::string server() const = 0;                                  // names the endpoint in cache keys

  StoreEntry stat(const std::string& path) { return open(path)->entry(); }
  // In the cache: fetched in blocks when it is not there yet (what an interrupted fetch left is used), compared with
  // size and etag, its hash verified on the first use by this process, pinned. Error(out_of_resources) when the cache's
  // limit leaves no room for it; Error(bad_input) when the object changed since `entry` was made.
  LocalFile local(const StoreEntry& entry);
  LocalFile local(const std::string& path) { return local(stat(path)); }
};

// A local path as it is, an s3:// path fetched: for code that opens files by path.
LocalFile local_file(const std::string& path);

}  // namespace plumb::data
