// The files of a dataset folder. All numbers little-endian.
//
// - manifest.json: format, content (options, report, tokenizer, files with size and sha256) and the content's digest
// - blocks.bin: XXH3 of every 1 MiB of the files below, in manifest order; its own sha256 stands in the manifest
// - tokens-NNNNN.bin: FileHeader, then tokens_per_shard token ids (the last file: the rest), 2 or 4 bytes each
// - weights-NNNNN.bin: FileHeader, then one bit a token: has a loss (only when chat formats are among the sources)
// - documents.bin: FileHeader, then a DocumentEntry for each document and one that marks the end
// - spans.bin, rows.bin (best_fit and none): FileHeader, then RowSpans; the first span of each row, and the end
// - tokenizer.json: so that the folder can be read alone
// - quarantine.jsonl: malformed rows, where and why
#pragma once

#include <bit>
#include <cstdint>

namespace plumb::data {

static_assert(std::endian::native == std::endian::little, "shards are little-endian");

inline constexpr int kDatasetVersion = 1;
inline constexpr uint64_t kBlock = uint64_t{1} << 20;

struct FileHeader {
  char magic[8];  // "PLUMBDAT"
  uint32_t version;
  uint32_t element_bytes;     // tokens 2 or 4, weights 0 (bits), documents 24, spans 16, rows 8
  uint64_t first_element;     // of this file, counted over all files of its kind
  char tokenizer_digest[64];  // sha256, hex
  uint64_t reserved[5];
};
static_assert(sizeof(FileHeader) == 128);

struct DocumentEntry {
  uint64_t first_token;
  uint64_t id;
  uint32_t source;
  uint32_t trained_whole;  // 1: every token but the first has a loss; 0: weights-*.bin says which
};
static_assert(sizeof(DocumentEntry) == 24);

struct RowSpan {
  uint64_t document;
  uint32_t begin, end;
};
static_assert(sizeof(RowSpan) == 16);

}  // namespace plumb::data
