#include "data/shards/hashed_file.h"

#include <cstring>
#include <utility>

#include "core/error.h"

namespace plumb::data {

namespace {

constexpr char kMagic[] = "PLUMBDAT";
constexpr char kAgain[] = "remove the dataset's folder and build it again";

}  // namespace

HashedWriter::HashedWriter(const std::filesystem::path& folder, std::string name) : out_(folder / name) {
  file_.name = std::move(name);
  buffer_.reserve(kBlock);
}

void HashedWriter::write(const void* data, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const size_t n = std::min<size_t>(bytes, kBlock - buffer_.size());
    buffer_.insert(buffer_.end(), from, from + n);
    from += n, bytes -= n;
    if (buffer_.size() == kBlock) flush();
  }
}

void HashedWriter::header(uint32_t element_bytes, uint64_t part, const std::string& tokenizer_digest) {
  FileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.version = kDatasetVersion;
  header.element_bytes = element_bytes;
  header.part = part;
  std::memcpy(header.tokenizer_digest, tokenizer_digest.data(), std::min<size_t>(tokenizer_digest.size(), 64));
  write(&header, sizeof header);
}

void HashedWriter::flush() {
  file_.blocks.push_back(core::xxh3(std::span<const std::byte>(buffer_)));
  tree_.add(std::span<const std::byte>(buffer_));
  out_.write(buffer_);
  file_.bytes += buffer_.size();
  buffer_.clear();
}

HashedFile HashedWriter::finish() {
  if (!buffer_.empty()) flush();
  out_.commit();
  file_.root = tree_.root();
  return std::move(file_);
}

VerifiedFile::VerifiedFile(const std::filesystem::path& path, LocalFile file, uint64_t bytes,
                           std::span<const uint64_t> blocks)
    : path_(path), file_(std::move(file)), bytes_(bytes), blocks_(blocks), map_(file_.path()) {
  if (map_.bytes().size() != bytes_) {
    fail_input(path_, "expected " + std::to_string(bytes_) + " bytes, found " + std::to_string(map_.bytes().size()),
               std::string("the dataset is damaged: ") + kAgain);
  }
  if (blocks_.size() != (bytes_ + kBlock - 1) / kBlock) fail_input(path_, "its block table does not fit", kAgain);
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
                 kAgain);
    }
    verified_[block].store(1, std::memory_order_relaxed);
  }
  return map_.bytes().data() + offset;
}

void VerifiedFile::check_header(uint32_t element_bytes, uint64_t part, const std::string& tokenizer_digest) const {
  FileHeader header;
  std::memcpy(&header, at(0, sizeof header), sizeof header);
  const std::string_view digest(header.tokenizer_digest, ::strnlen(header.tokenizer_digest, 64));
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0 || header.version != kDatasetVersion ||
      header.element_bytes != element_bytes || header.part != part ||
      digest != std::string_view(tokenizer_digest).substr(0, 64)) {
    fail_input(path_, "its header is not that of the dataset's manifest");
  }
}

}  // namespace plumb::data
