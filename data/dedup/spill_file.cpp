#include "data/dedup/spill_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/error.h"

namespace plumb::data {
namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, const std::string& what, int number) {
  throw Error(ExitCode::out_of_resources, "cannot " + what + " a scratch file: " + std::strerror(number),
              folder.string(), number == ENOSPC || number == EDQUOT ? "free space on this file system" : "");
}

int open_nameless(const std::filesystem::path& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // Not every file system knows nameless files: make one and take its name away.
  std::string name = (folder / ".spill-XXXXXX").string();
  fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail(folder, "create", errno);
  ::unlink(name.c_str());
  return fd;
}

}  // namespace

SpillFile::SpillFile(const std::filesystem::path& folder) : folder_(folder), fd_(open_nameless(folder)) {}

SpillFile::~SpillFile() {
  if (fd_ >= 0) ::close(fd_);
}

SpillFile::SpillFile(SpillFile&& other) noexcept
    : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)), size_(std::exchange(other.size_, 0)) {}

SpillFile& SpillFile::operator=(SpillFile&& other) noexcept {
  std::swap(folder_, other.folder_), std::swap(fd_, other.fd_), std::swap(size_, other.size_);
  return *this;
}

void SpillFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(folder_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(n));
    size_ += static_cast<uint64_t>(n);
  }
}

void SpillFile::read(uint64_t offset, std::span<std::byte> bytes) const {
  if (offset > size_ || bytes.size() > size_ - offset) fail_internal("a scratch file is read beyond its end");
  while (!bytes.empty()) {
    const ssize_t n = ::pread(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(folder_, "read", n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
}

}  // namespace plumb::data
