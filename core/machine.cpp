// What is free on this machine; declared in files.h.
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "core/error.h"
#include "core/files.h"

namespace plumb::core {
namespace {

// One number from a small system file; -1 when it is not there or not a number ("max").
int64_t number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t value = -1;
  return in >> value ? value : -1;
}

// The cgroup v2 path of this process ("0::/a/b"), relative to /sys/fs/cgroup.
std::string own_cgroup() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("0::/")) return line.substr(4);
  return "";
}

// What a cgroup and its parents leave; a container often limits far below the machine's memory.
int64_t cgroup_available() {
  int64_t least = std::numeric_limits<int64_t>::max();
  const fs::path root = "/sys/fs/cgroup";
  for (fs::path folder = root / own_cgroup();; folder = folder.parent_path()) {
    const int64_t limit = number_in(folder / "memory.max"), used = number_in(folder / "memory.current");
    if (limit >= 0 && used >= 0) {
      // The page cache counts as used and can be dropped.
      int64_t cache = 0;
      std::ifstream in(folder / "memory.stat");
      std::string name;
      for (int64_t value; in >> name >> value;)
        if (name == "inactive_file") cache = value;
      least = std::min(least, std::max<int64_t>(0, limit - used + cache));
    }
    if (folder == root || folder.string().size() <= root.string().size()) break;
  }
  const int64_t limit = number_in(root / "memory/memory.limit_in_bytes"),
                used = number_in(root / "memory/memory.usage_in_bytes");
  if (limit >= 0 && used >= 0) least = std::min(least, std::max<int64_t>(0, limit - used));
  return least;
}

}  // namespace

int64_t available_bytes(const fs::path& where) {
  fs::path folder = fs::absolute(where);
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_parent_path() && folder != folder.root_path())
    folder = folder.parent_path();
  struct statvfs status;
  if (::statvfs(folder.c_str(), &status) != 0)
    fail_input(folder.string(), std::string("cannot read the free space: ") + std::strerror(errno));
  return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
}

int64_t available_memory() {
  int64_t available = std::numeric_limits<int64_t>::max();
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("MemAvailable:")) continue;
    int64_t kib = 0;
    if (std::istringstream(line.substr(13)) >> kib) available = kib * 1024;
  }
  return std::min(available, cgroup_available());
}

int64_t resident_memory() {
  std::ifstream in("/proc/self/statm");
  int64_t size = 0, resident = 0;
  in >> size >> resident;
  return resident * static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace plumb::core
