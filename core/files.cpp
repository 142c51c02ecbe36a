#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/hash.h"

namespace plumb::core {
namespace {

// Errors of the system in one place: a full disk or quota ends with code 3, everything else is the file's fault.
[[noreturn]] void fail_system(const fs::path& file, const std::string& what, int number) {
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG || number == ENOMEM || number == EMFILE;
  const std::string hint = number == ENOSPC || number == EDQUOT  ? "free space on this file system, or write elsewhere"
                           : number == EACCES || number == EROFS ? "check the permissions of the file and its folder"
                                                                 : "";
  throw Error(full ? ExitCode::out_of_resources : ExitCode::bad_input, "cannot " + what + ": " + std::strerror(number),
              file.string(), hint);
}

class Descriptor {
 public:
  Descriptor(const fs::path& file, int flags, const char* what) : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail_system(file, what, errno);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  operator int() const { return fd_; }

 private:
  int fd_;
};

// O_NONBLOCK, so that opening a FIFO answers instead of waiting for its writer.
uint64_t regular_size(int fd, const fs::path& file) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail_system(file, "read", errno);
  if (S_ISDIR(status.st_mode)) fail_input(file.string(), "expected a file, found a folder");
  if (!S_ISREG(status.st_mode)) fail_input(file.string(), "expected a regular file, found a device, pipe or socket");
  return static_cast<uint64_t>(status.st_size);
}

void write_all(int fd, const fs::path& file, const std::byte* data, size_t size) {
  while (size > 0) {
    const ssize_t n = ::write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(file, "write", errno);
    data += n;
    size -= static_cast<size_t>(n);
  }
}

void sync_file(const fs::path& file) {
  Descriptor fd(file, O_RDONLY, "open");
  if (::fsync(fd) != 0) fail_system(file, "write to the disk", errno);
}

fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

MappedFile::MappedFile(const fs::path& file) : path_(file) {
  Descriptor fd(file, O_RDONLY | O_NONBLOCK, "open");
  size_ = static_cast<size_t>(regular_size(fd, file));
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    size_ = 0;
    fail_system(file, "map", errno);
  }
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  path_ = std::move(other.path_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

namespace {

std::string host_tag() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return fmt::format("{:08x}", static_cast<uint32_t>(xxh3(std::string_view(name))));
}

// Which process: the host, since folders are shared; the pid; and a number by chance, since in containers the next
// process has the pid of the last one, whose leftovers must not be in its way.
std::string writer() {
  static const uint32_t chance = std::random_device()();
  static const std::string host = host_tag();
  return fmt::format("{}-{}-{:08x}-", host, ::getpid(), chance);
}

}  // namespace

void remove_leftovers(const fs::path& folder, const std::string& name) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const auto found = it->path().filename().string();
    const auto part = found.rfind(".part-");
    if (!found.starts_with("." + name) || part == std::string::npos) continue;
    const auto who = found.substr(part + 6);
    if (!who.starts_with(host_tag() + "-") || who.starts_with(writer())) continue;
    const long pid = std::strtol(who.c_str() + host_tag().size() + 1, nullptr, 10);
    std::error_code gone;
    const bool dead = pid == ::getpid() || (pid > 0 && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH);
    if (dead) fs::remove_all(it->path(), gone);
  }
}

fs::path temporary_beside(const fs::path& target) {
  static std::atomic<uint64_t> serial{0};
  const auto own = writer() + std::to_string(serial.fetch_add(1));
  return parent_of(target) / ("." + target.filename().string() + ".part-" + own);
}

AtomicFile::AtomicFile(const fs::path& file) : file_(file), temporary_(temporary_beside(file)) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_system(file, "create", errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) { write_all(fd_, file_, bytes.data(), bytes.size()); }

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  const std::byte* data = bytes.data();
  size_t size = bytes.size();
  while (size > 0) {
    const ssize_t n = ::pwrite(fd_, data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(file_, "write", errno);
    data += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
}

void AtomicFile::commit() {
  if (committed_) fail_internal("file committed twice: " + file_.string());
  if (::fsync(fd_) != 0) fail_system(file_, "write to the disk", errno);
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed != 0) fail_system(file_, "close", errno);
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail_system(file_, "rename into place", errno);
  committed_ = true;
  sync_folder(parent_of(file_));
}

std::string read_text(const fs::path& file, uint64_t limit) {
  Descriptor fd(file, O_RDONLY | O_NONBLOCK, "open");
  const uint64_t size = regular_size(fd, file);
  const auto too_large = [&](uint64_t found) {
    fail_input(file.string(),
               "expected at most " + std::to_string(limit) + " bytes, found " + std::to_string(found) + " or more");
  };
  if (size > limit) too_large(size);
  // Files under /proc say size 0, and a file may grow while it is read: read to the end, never past the limit.
  std::string text(static_cast<size_t>(size), '\0');
  size_t filled = 0;
  for (;;) {
    if (filled == text.size()) text.resize(filled + 4096);
    const ssize_t n = ::read(fd, text.data() + filled, text.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(file, "read", errno);
    if (n == 0) break;
    filled += static_cast<size_t>(n);
    if (filled > limit) too_large(filled);
  }
  text.resize(filled);
  return text;
}

void write_text(const fs::path& file, std::string_view text) {
  AtomicFile out(file);
  out.write(text);
  out.commit();
}

void append_line(const fs::path& file, std::string_view line) {
  Descriptor fd(file, O_WRONLY | O_CREAT | O_APPEND, "open");
  std::string whole(line);
  whole += '\n';
  write_all(fd, file, reinterpret_cast<const std::byte*>(whole.data()), whole.size());
}

void sync_folder(const fs::path& folder) {
  Descriptor fd(folder, O_RDONLY | O_DIRECTORY, "open the folder");
  // Some network file systems cannot fsync a folder and say EINVAL; there is nothing more to be done on those.
  if (::fsync(fd) != 0 && errno != EINVAL) fail_system(folder, "write to the disk", errno);
}

void commit_folder(const fs::path& temporary, const fs::path& final_name) {
  std::error_code error;
  std::vector<fs::path> folders{temporary};
  for (fs::recursive_directory_iterator it(temporary, error), end; !error && it != end; it.increment(error)) {
    if (it->is_symlink()) continue;
    if (it->is_directory()) folders.push_back(it->path());
    if (it->is_regular_file()) sync_file(it->path());
  }
  if (error) fail_system(temporary, "read the folder", error.value());
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) sync_folder(*folder);
  if (::rename(temporary.c_str(), final_name.c_str()) != 0) fail_system(final_name, "rename into place", errno);
  sync_folder(parent_of(final_name));
}

}  // namespace plumb::core
