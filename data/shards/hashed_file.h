// Files that are hashed while written, and verified block by block when read.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/hash.h"
#include "data/shards/format.h"
#include "data/shards/merkle.h"
#include "data/store/store.h"

namespace plumb::data {

struct HashedFile {
  std::string name;
  uint64_t bytes = 0;
  std::string root;              // of the Merkle tree over its blocks, hex
  std::vector<uint64_t> blocks;  // XXH3 of each block
};

// Appears under its name when finished, on disk and whole; until then under a temporary one, which goes away with it.
class HashedWriter {
 public:
  HashedWriter(const std::filesystem::path& folder, std::string name);
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void header(uint32_t element_bytes, uint64_t part, const std::string& tokenizer_digest);
  HashedFile finish();

 private:
  void flush();
  core::AtomicFile out_;
  HashedFile file_;
  MerkleTree tree_;
  std::vector<std::byte> buffer_;
};

// Read-only; a block is hashed when first touched. A difference is an Error(bad_input) naming file and offset.
// `blocks` must outlive it.
class VerifiedFile {
 public:
  // `path`: how the file is called in messages. A fetched file stays in the cache as long as this lives.
  VerifiedFile(const std::filesystem::path& path, LocalFile file, uint64_t bytes, std::span<const uint64_t> blocks);
  // The bytes [offset, offset + count), verified. Outside the file: Error.
  const std::byte* at(uint64_t offset, uint64_t count) const;
  uint64_t bytes() const { return bytes_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(at(0, bytes_)), bytes_}; }
  void check_header(uint32_t element_bytes, uint64_t part, const std::string& tokenizer_digest) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  LocalFile file_;
  uint64_t bytes_;
  std::span<const uint64_t> blocks_;
  core::MappedFile map_;
  std::unique_ptr<std::atomic<uint8_t>[]> verified_;
};

}  // namespace plumb::data
