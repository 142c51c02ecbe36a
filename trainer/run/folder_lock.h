// One process group trains in a run's folder at a time.
#pragma once

#include <filesystem>

namespace plumb::run {

// Held until the process ends, however it ends: the system takes it back. Where the file system has no locks there is
// none.
class FolderLock {
 public:
  FolderLock() = default;
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  // Error(bad_input) naming the holder when another process has it. The folder is there. Again: no effect.
  void take(const std::filesystem::path& folder);

 private:
  int file_ = -1;
};

}  // namespace plumb::run
