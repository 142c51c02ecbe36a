#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "data/store/cache.h"

namespace plumb::data {

namespace {

int open_lock(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) return fd;
  const bool full = errno == ENOSPC || errno == EDQUOT || errno == EMFILE || errno == ENFILE;
  throw Error(full ? ExitCode::out_of_resources : ExitCode::bad_input,
              std::string("a lock of the object cache cannot be made: ") + std::strerror(errno), file.string());
}

// Whether `file` still names what was locked: it goes together with the object it guards.
bool same_file(int fd, const std::filesystem::path& file) {
  struct stat mine {
  }, there{};
  return ::fstat(fd, &mine) == 0 && ::stat(file.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& file, Kind kind) {
  for (;;) {
    fd_ = open_lock(file);
    int done = 0;
    do done = ::flock(fd_, kind == Kind::shared ? LOCK_SH : LOCK_EX);
    while (done != 0 && errno == EINTR);
    if (done != 0) {
      const int code = errno;
      ::close(std::exchange(fd_, -1));
      fail_input(file.string(), std::string("cannot be locked: ") + std::strerror(code),
                 "the object cache needs a file system with flock");
    }
    if (same_file(fd_, file)) return;
    ::close(std::exchange(fd_, -1));
  }
}

FileLock FileLock::attempt(const std::filesystem::path& file) {
  FileLock lock;
  lock.fd_ = open_lock(file);
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0 || !same_file(lock.fd_, file)) ::close(std::exchange(lock.fd_, -1));
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

}  // namespace plumb::data
