// The folder that holds fetched objects. Of an object with the name ID:
//   ID.<tail of its name>   the bytes
//   ID.json                 the sidecar: what it is, and size, inode, time and hash of the file written; its time is
//                           that of the last use
//   ID.part, ID.part.json   an unfinished fetch; its full size counts
//   ID.lock                 locked shared while the file is used, exclusively while it is fetched or deleted
// cache.lock is held while room is made. Locks go with their process, so that a kill leaves nothing behind.
#pragma once

#include "data/store/store.h"

namespace plumb::data {

// A lock file, locked; unlocked and closed at the end.
class FileLock {
 public:
  enum class Kind { shared, exclusive };
  FileLock() = default;
  // Waits for the lock. The file is made if needed; one deleted meanwhile is made again.
  FileLock(const std::filesystem::path& file, Kind kind);
  // Without waiting; an empty lock when somebody holds it.
  static FileLock attempt(const std::filesystem::path& file);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&& other) noexcept;
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class ObjectCache {
 public:
  explicit ObjectCache(StoreCache options);
  LocalFile get(Store& store, const StoreEntry& entry);

 private:
  struct Names;
  Names names_of(Store& store, const StoreEntry& entry) const;
  bool present(const Names& names) const;
  void fetch(Store& store, const StoreEntry& entry, const Names& names);
  void download(Store& store, const StoreEntry& entry, const Names& names);
  void make_room(const StoreEntry& entry, const Names& names) const;
  bool try_make_room(const StoreEntry& entry, const Names& names) const;
  bool free_disk(uint64_t bytes, const Names& names) const;

  StoreCache options_;
};

}  // namespace plumb::data
