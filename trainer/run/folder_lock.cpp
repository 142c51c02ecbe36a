#include "trainer/run/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"
#include "core/files.h"

namespace plumb::run {

FolderLock::~FolderLock() {
  if (file_ >= 0) ::close(file_);
}

void FolderLock::take(const std::filesystem::path& folder) {
  if (file_ >= 0) return;
  const auto path = folder / ".lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) return;  // what cannot be written is said where it is written
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    ::close(file_);
    file_ = -1;
    if (!taken) return;
    fail_input(folder, "a run is going on in this folder (" + core::read_text(path) + ")",
               "wait for it or stop it; or another output.folder");
  }
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  const auto holder = fmt::format("process {} on {}", ::getpid(), host);
  if (::ftruncate(file_, 0) != 0 || ::pwrite(file_, holder.data(), holder.size(), 0) < 0) return;  // only a name
}

}  // namespace plumb::run
