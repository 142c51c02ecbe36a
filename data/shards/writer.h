// Appends documents in order; writes token, weight and document files and the packing plan.
#pragma once

#include "data/dataset.h"
#include "data/packing.h"
#include "data/shards/hashed_file.h"

namespace plumb::data {

class ShardWriter {
 public:
  struct Options {
    int64_t vocab_size = 0, sequence_length = 0;
    uint64_t tokens_per_shard = 0;
    std::string packing;  // concat best_fit none
    std::string tokenizer_digest;
    bool any_weights = false;  // some documents may not be trained on whole
  };
  ShardWriter(std::filesystem::path folder, Options options);
  // split: longer than a sequence, to be packed in pieces.
  void add(const Sample& sample, uint32_t source, bool split);
  std::vector<HashedFile> finish();

  int64_t documents() const { return documents_; }
  uint64_t tokens() const { return tokens_; }
  int64_t rows() const { return rows_; }  // after finish()
  uint32_t token_bytes() const { return options_.vocab_size <= 65536 ? 2 : 4; }

 private:
  void open_shard();
  void close_shard();
  void add_tokens(const Sample& sample);
  void add_weights(std::span<const float> weights);  // of the tokens from tokens_ on
  void add_rows(const std::vector<PackedRow>& rows);

  std::filesystem::path folder_;
  Options options_;
  std::unique_ptr<HashedWriter> token_file_, weight_file_, document_file_, span_file_, row_file_;
  std::vector<HashedFile> done_;
  std::unique_ptr<Packer> packer_;
  uint64_t tokens_ = 0, spans_ = 0;
  int64_t documents_ = 0, rows_ = 0;
  uint8_t bits_ = 0;  // of the byte of weights that is not full yet
  std::vector<std::byte> encoded_;
};

}  // namespace plumb::data
