// A folder that appears whole or not at all, built by one process at a time.
#pragma once

#include <filesystem>
#include <functional>

namespace plumb::data {

class BuildFolder {
 public:
  // Waits while another process of this machine builds the same folder (on_wait is called once), then clears away what
  // killed builds left. Where the file system has no locks, builders race, and the first to commit wins.
  BuildFolder(std::filesystem::path folder, const std::function<void()>& on_wait);
  ~BuildFolder();  // removes the temporary folder unless committed
  BuildFolder(const BuildFolder&) = delete;
  BuildFolder& operator=(const BuildFolder&) = delete;

  // Empty, beside the final folder; made on the first call.
  const std::filesystem::path& temporary() const;
  // All is on disk, then under the final name. Another builder's equal folder may be there already.
  void commit() const;

 private:
  std::filesystem::path folder_, temporary_;
  int lock_ = -1;
};

}  // namespace plumb::data
