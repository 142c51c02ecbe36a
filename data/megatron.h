// Megatron-LM's indexed datasets, PREFIX.bin with PREFIX.idx (megatron/core/datasets/indexed_dataset.py): token ids of
// documents without a tokenizer, a checksum or loss masks.
//
// PREFIX.idx, little-endian: "MMIDIDX\0\0", uint64 version 1, uint8 code of the element type, uint64 number of
// sequences S, uint64 number of document bounds D, int32 length of each sequence, int64 byte offset of each in
// PREFIX.bin, int64 bounds[D]: document d is the sequences [bounds[d], bounds[d + 1]). Multimodal files have S bytes of
// modes more and are refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/dataset.h"

namespace plumb::data {

// PREFIX of what was typed: an ending .idx or .bin is forgiven.
std::string megatron_prefix(std::string typed);

class MegatronReader {
 public:
  // Everything in the index is checked against the sizes of both files before anything is used.
  explicit MegatronReader(const std::string& prefix);
  int64_t documents() const { return documents_; }
  int64_t tokens() const { return tokens_; }
  const char* type() const;  // "uint16", "int32" ...
  int64_t document_tokens(int64_t document) const;
  // Ids of one document; one outside [0, vocab_size) is an Error that names the place.
  void read(int64_t document, int64_t vocab_size, std::vector<int32_t>& ids) const;

 private:
  template <class T>
  T number(uint64_t offset) const;
  int64_t bound(int64_t document) const { return number<int64_t>(bounds_ + 8 * static_cast<uint64_t>(document)); }
  int64_t length(int64_t sequence) const { return number<int32_t>(lengths_ + 4 * static_cast<uint64_t>(sequence)); }
  int64_t pointer(int64_t sequence) const { return number<int64_t>(pointers_ + 8 * static_cast<uint64_t>(sequence)); }
  void check_header();
  void check_entries();

  std::string prefix_;
  core::MappedFile index_, bin_;
  int code_ = 0;
  int64_t sequences_ = 0, documents_ = 0, tokens_ = 0;
  uint64_t lengths_ = 0, pointers_ = 0, bounds_ = 0;  // offsets in the index
};

// Each document one sequence. Element type as Megatron chooses it: uint16 below a vocabulary of 65,500, else int32.
class MegatronWriter {
 public:
  MegatronWriter(const std::string& prefix, int64_t vocab_size);
  void begin_document() { lengths_.push_back(0); }
  void add(std::span<const int32_t> ids);  // to the document begun last
  void finish();                           // the index is written last: without it there is no dataset

 private:
  std::string prefix_;
  bool wide_;
  core::AtomicFile bin_;
  std::vector<int32_t> lengths_;
  std::vector<std::byte> encoded_;
};

struct MegatronReport {
  int64_t documents = 0, tokens = 0;
  int64_t without_end = 0;  // import: documents that do not end with the tokenizer's end token
  int64_t masked = 0;       // export: tokens without a loss here (but the first ones) that Megatron would train on
  int64_t empty = 0;        // import: documents of less than two tokens, left out
};

// `folder` must not exist. Documents longer than a sequence are split where packing is not concat.
MegatronReport import_megatron(const std::string& prefix, const std::filesystem::path& folder,
                               const Tokenizer& tokenizer, int64_t sequence_length, const std::string& packing,
                               const Progress& progress = {});
// PREFIX.bin and PREFIX.idx must not exist.
MegatronReport export_megatron(const Dataset& dataset, const std::string& prefix, int64_t vocab_size,
                               const Progress& progress = {});

}  // namespace plumb::data
