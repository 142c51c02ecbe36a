// The files of a dataset folder. All numbers little-endian.
//
// A dataset is a list of parts, each made from one stretch of a source on its own; NNNNN is a part's number:
// - tokens-NNNNN.bin: FileHeader, then the token ids of the part, 2 or 4 bytes each
// - weights-NNNNN.bin: FileHeader, then one bit a token: has a loss (only when chat formats are among the sources)
// - documents-NNNNN.bin: FileHeader, then a DocumentEntry for each document and one that marks the end
// - spans-NNNNN.bin, rows-NNNNN.bin (best_fit and none): FileHeader, then RowSpans; the first span of each row, and the
//   end. Packing never crosses parts. Under concat rows are cut from the stream of all tokens and need no file.
// For the whole:
// - sources.jsonl: one line for each file that was read: source, name, bytes, sha256
// - report.json: what became of every document (docs/formats.md)
// - quarantine.jsonl: malformed rows, where and why
// - dropped.jsonl: documents that were read and fell to a rule, where and to which
// - tokenizer.json: so that the folder can be read alone (or tokenizer.model with tokenizer_config.json)
// - blocks.bin: XXH3 of every 1 MiB of the files above, in the manifest's order; its own sha256 stands in the manifest
// - manifest.json: written last; content, files, and the digest: a Merkle root over all of it
#pragma once

#include <bit>
#include <cstdint>

namespace plumb::data {

static_assert(std::endian::native == std::endian::little, "shards are little-endian");

inline constexpr int kDatasetVersion = 3;
inline constexpr uint64_t kBlock = uint64_t{1} << 20;

struct FileHeader {
  char magic[8];  // "PLUMBDAT"
  uint32_t version;
  uint32_t element_bytes;     // tokens 2 or 4, weights 0 (bits), documents 40, spans 16, rows 8
  uint64_t part;              // the NNNNN of the name
  char tokenizer_digest[64];  // sha256, hex
  uint64_t reserved[5];
};
static_assert(sizeof(FileHeader) == 128);

struct DocumentEntry {
  uint64_t first_token;  // in the part
  uint64_t id;
  uint64_t tokens_hash;  // tokens_hash() of its sample, so that a reading can be told to be of these tokens
  uint64_t line;         // where it begins in its file, from 1; 0: the file is the document
  uint32_t file;         // line of sources.jsonl, from 0
  uint16_t source;
  uint16_t trained_whole;  // 1: every token but the first has a loss; 0: weights-*.bin says which
};
static_assert(sizeof(DocumentEntry) == 40);

struct RowSpan {
  uint64_t document;  // in the part
  uint32_t begin, end;
};
static_assert(sizeof(RowSpan) == 16);

}  // namespace plumb::data
