#include "data/shards/hashed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace plumb::data {

namespace {

constexpr char kMagic[] = "PLUMBDAT";

[[noreturn]] void fail_write(const std::filesystem::path& path) {
  const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  throw Error(full ? ExitCode::out_of_resources : ExitCode::bad_input,
              std::string("cannot be written: ") + std::strerror(errno), path,
              "data.cache=FOLDER puts the cache on another disk");
}

}  // namespace

HashedWriter::Close::~Close() {
  if (fd >= 0) ::close(fd);
}

HashedWriter::HashedWriter(const std::filesystem::path& folder, std::string name) : path_(folder / name) {
  file_.name = std::move(name);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_write(path_);
  buffer_.reserve(kBlock);
}

void HashedWriter::write(const void* data, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const size_t n = std::min<size_t>(bytes, kBlock - buffer_.size());
    buffer_.insert(buffer_.end(), from, from + n);
    from += n, bytes -= n;
    if (buffer_.size() == kBlock) flush(kBlock);
  }
}

void HashedWriter::header(uint32_t element_bytes, uint64_t first_element, const std::string& tokenizer_digest) {
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.version = kDatasetVersion;
  header.element_bytes = element_bytes;
  header.first_element = first_element;
  std::memcpy(header.tokenizer_digest, tokenizer_digest.data(), std::min<size_t>(tokenizer_digest.size(), 64));
  write(&header, sizeof header);
}

void HashedWriter::flush(size_t bytes) {
  const std::span<const std::byte> block(buffer_.data(), bytes);
  file_.blocks.push_back(core::xxh3(block));
  sha256_.update(block);
  for (size_t done = 0; done < bytes;) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_write(path_);
    done += static_cast<size_t>(n);
  }
  file_.bytes += bytes;
  buffer_.clear();
}

HashedFile HashedWriter::finish() {
  if (!buffer_.empty()) flush(buffer_.size());
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail_write(path_);
  file_.sha256 = sha256_.hex();
  return std::move(file_);
}

VerifiedFile::VerifiedFile(const std::filesystem::path& path, uint64_t bytes, std::vector<uint64_t> blocks)
    : path_(path), bytes_(bytes), blocks_(std::move(blocks)), map_(path) {
  if (map_.bytes().size() != bytes_) {
    fail_input(path_, "expected " + std::to_string(bytes_) + " bytes, found " + std::to_string(map_.bytes().size()),
               "the dataset is damaged: remove its folder and build it again");
  }
  if (bytes_ < sizeof(FileHeader) || blocks_.size() != (bytes_ + kBlock - 1) / kBlock) {
    fail_input(path_, "is shorter than its header, or its block table does not fit");
  }
  verified_ = std::make_unique<std::atomic<uint8_t>[]>(blocks_.size());
}

const std::byte* VerifiedFile::at(uint64_t offset, uint64_t count) const {
  if (offset > bytes_ || count > bytes_ - offset) {
    fail_input(path_, "expected bytes up to " + std::to_string(offset) + " + " + std::to_string(count) +
                          ", found only " + std::to_string(bytes_));
  }
  const uint64_t last = count == 0 ? offset / kBlock : (offset + count - 1) / kBlock;
  for (uint64_t block = offset / kBlock; block <= last && block < blocks_.size(); ++block) {
    if (verified_[block].load(std::memory_order_relaxed)) continue;
    const uint64_t begin = block * kBlock;
    if (core::xxh3(map_.bytes().subspan(begin, std::min(kBlock, bytes_ - begin))) != blocks_[block]) {
      fail_input(path_,
                 "damaged: the checksum of bytes " + std::to_string(begin) + " to " +
                     std::to_string(std::min(begin + kBlock, bytes_)) + " differs from the manifest's",
                 "remove the dataset's folder and build it again");
    }
    verified_[block].store(1, std::memory_order_relaxed);
  }
  return map_.bytes().data() + offset;
}

void VerifiedFile::check_header(uint32_t element_bytes, uint64_t first_element,
                                const std::string& tokenizer_digest) const {
  FileHeader header;
  std::memcpy(&header, at(0, sizeof header), sizeof header);
  const std::string_view digest(header.tokenizer_digest, ::strnlen(header.tokenizer_digest, 64));
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0 || header.version != kDatasetVersion ||
      header.element_bytes != element_bytes || header.first_element != first_element ||
      digest != std::string_view(tokenizer_digest).substr(0, 64)) {
    fail_input(path_, "its header is not that of the dataset's manifest");
  }
}

}  // namespace plumb::data
