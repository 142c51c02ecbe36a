// One part of a dataset: documents appended in order, with their packing.
#pragma once

#include "data/dataset.h"
#include "data/packing.h"
#include "data/shards/hashed_file.h"
#include "data/shards/manifest.h"

namespace plumb::data {

// Where a document comes from, as the document table keeps it.
struct Origin {
  uint32_t file = 0;  // line of sources.jsonl
  uint64_t line = 0;
  uint16_t source = 0;
};

class PartWriter {
 public:
  struct Options {
    uint64_t part = 0;
    int64_t vocab_size = 0, sequence_length = 0;
    std::string packing;  // concat best_fit none
    std::string tokenizer_digest;
    bool any_weights = false;  // some documents of the dataset may not be trained on whole
  };
  PartWriter(std::filesystem::path folder, Options options);
  // split: longer than a sequence, to be packed in pieces.
  void add(const Sample& sample, const Origin& origin, bool split);
  std::vector<HashedFile> finish();  // a part without documents has no files

  int64_t documents() const { return documents_; }
  uint64_t tokens() const { return tokens_; }
  uint64_t spans() const { return spans_; }
  int64_t rows() const { return rows_; }            // after finish(); 0 under concat
  int64_t positions() const { return positions_; }  // of rows that carry a token; the same

 private:
  using File = std::unique_ptr<HashedWriter>;
  File open(const char* kind, uint32_t element_bytes) const;
  void open_all();
  void add_tokens(const Sample& sample);
  void add_rows(const std::vector<PackedRow>& rows);

  std::filesystem::path folder_;
  Options options_;
  File token_file_, weight_file_, document_file_, span_file_, row_file_;
  std::unique_ptr<Packer> packer_;
  uint64_t tokens_ = 0, spans_ = 0;
  int64_t documents_ = 0, rows_ = 0, positions_ = 0;
  uint8_t bits_ = 0;  // of the byte of weights that is not full yet
  std::vector<std::byte> encoded_;
};

// Documents of a stream without units of its own, cut into parts of about 2^27 tokens.
class StreamWriter {
 public:
  StreamWriter(std::filesystem::path folder, PartWriter::Options options);
  void add(const Sample& sample, const Origin& origin, bool split);
  void finish();

  const std::vector<PartCounts>& parts() const { return parts_; }
  std::vector<HashedFile>& files() { return files_; }
  int64_t rows() const { return rows_; }            // 0 under concat, as the next one
  int64_t positions() const { return positions_; }  // of rows that carry a token

 private:
  void close_part();
  std::filesystem::path folder_;
  PartWriter::Options options_;
  std::unique_ptr<PartWriter> part_;
  std::vector<PartCounts> parts_;
  std::vector<HashedFile> files_;
  int64_t rows_ = 0, positions_ = 0;
};

// A small file about the whole.
HashedFile write_hashed(const std::filesystem::path& folder, const std::string& name, std::string_view text);

inline uint32_t token_width(int64_t vocab_size) { return vocab_size <= 65536 ? 2 : 4; }

}  // namespace plumb::data
