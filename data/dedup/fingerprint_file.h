// The fingerprints of one unit on disk: blocks of documents, column by column, so that a pass over one bucket reads
// only its own column. Every chunk has a checksum that knows its place.
//
//   header   64 bytes: magic, version, identity of the settings, documents, bands, bytes of rows, content hash,
//   checksum block    up to 4096 documents: hashes (16 bytes each) | keys of band 0 (8 bytes each) | band 1 | ... |
//   rows
//            after each column 8 bytes of XXH3; each rows entry carries its own 8 bytes instead, to be read alone
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/dedup/fingerprint.h"

namespace plumb::data {

class FingerprintWriter {
 public:
  FingerprintWriter(const std::filesystem::path& file, const Fingerprinter&);
  ~FingerprintWriter();  // without commit() nothing stays
  void add(const Fingerprint&);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A file that is not what the settings would have written, is cut or damaged is an Error(bad_input) naming the file.
class FingerprintReader {
 public:
  FingerprintReader(const std::filesystem::path& file, const Fingerprinter&);
  ~FingerprintReader();
  FingerprintReader(FingerprintReader&&) noexcept;
  int64_t documents() const;
  uint64_t content_hash() const;  // known without reading the blocks
  int64_t blocks() const;
  static constexpr int64_t block_documents = 4096;
  // Column of a block: the exact hashes (two words a document) or the keys of one band (one word).
  void hashes(int64_t block, std::vector<uint64_t>& words) const;
  void band(int64_t block, int64_t band, std::vector<uint64_t>& words) const;
  void rows(int64_t document, std::span<uint8_t> bytes) const;
  Fingerprint read(int64_t document) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
