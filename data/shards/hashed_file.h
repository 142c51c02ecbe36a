// Files that are hashed while written, and verified block by block when read.
#pragma once

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/hash.h"
#include "data/shards/format.h"

namespace plumb::data {

struct HashedFile {
  std::string name;
  uint64_t bytes = 0;
  std::string sha256;
  std::vector<uint64_t> blocks;
};

class HashedWriter {
 public:
  HashedWriter(const std::filesystem::path& folder, std::string name);
  void write(const void* data, size_t bytes);
  void header(uint32_t element_bytes, uint64_t first_element, const std::string& tokenizer_digest);
  HashedFile finish();

 private:
  void flush(size_t bytes);
  std::filesystem::path path_;
  int fd_ = -1;
  HashedFile file_;
  core::Sha256 sha256_;
  std::vector<std::byte> buffer_;
  struct Close {
    int& fd;
    ~Close();
  } close_{fd_};
};

// Read-only; a block is hashed when first touched. A difference is an Error(bad_input) naming file and offset.
class VerifiedFile {
 public:
  VerifiedFile(const std::filesystem::path& path, uint64_t bytes, std::vector<uint64_t> blocks);
  // The bytes [offset, offset + count), verified. Outside the file: Error.
  const std::byte* at(uint64_t offset, uint64_t count) const;
  uint64_t elements(uint64_t element_bytes) const { return (bytes_ - sizeof(FileHeader)) / element_bytes; }
  void check_header(uint32_t element_bytes, uint64_t first_element, const std::string& tokenizer_digest) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  uint64_t bytes_;
  std::vector<uint64_t> blocks_;
  core::MappedFile map_;
  std::unique_ptr<std::atomic<uint8_t>[]> verified_;
};

}  // namespace plumb::data
