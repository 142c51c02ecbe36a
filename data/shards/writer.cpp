#include "data/shards/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace plumb::data {

ShardWriter::ShardWriter(std::filesystem::path folder, Options options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  document_file_ = std::make_unique<HashedWriter>(folder_, "documents.bin");
  document_file_->header(sizeof(DocumentEntry), 0, options_.tokenizer_digest);
  if (options_.packing != "concat") {
    packer_ = std::make_unique<Packer>(options_.packing == "best_fit", options_.sequence_length);
    span_file_ = std::make_unique<HashedWriter>(folder_, "spans.bin");
    span_file_->header(sizeof(RowSpan), 0, options_.tokenizer_digest);
    row_file_ = std::make_unique<HashedWriter>(folder_, "rows.bin");
    row_file_->header(sizeof(uint64_t), 0, options_.tokenizer_digest);
  }
  open_shard();
}

void ShardWriter::open_shard() {
  const uint64_t shard = tokens_ / options_.tokens_per_shard;
  token_file_ = std::make_unique<HashedWriter>(folder_, fmt::format("tokens-{:05}.bin", shard));
  token_file_->header(token_bytes(), tokens_, options_.tokenizer_digest);
  if (!options_.any_weights) return;
  weight_file_ = std::make_unique<HashedWriter>(folder_, fmt::format("weights-{:05}.bin", shard));
  weight_file_->header(0, tokens_, options_.tokenizer_digest);
}

void ShardWriter::close_shard() {
  done_.push_back(token_file_->finish());
  if (!weight_file_) return;
  if (tokens_ % 8 != 0) weight_file_->write(&bits_, 1);
  done_.push_back(weight_file_->finish());
}

void ShardWriter::add_tokens(const Sample& sample) {
  for (size_t at = 0; at < sample.ids.size();) {
    if (tokens_ > 0 && tokens_ % options_.tokens_per_shard == 0) close_shard(), open_shard();
    const uint64_t free = options_.tokens_per_shard - tokens_ % options_.tokens_per_shard;
    const size_t count = static_cast<size_t>(std::min<uint64_t>(free, sample.ids.size() - at));
    encoded_.resize(count * token_bytes());
    for (size_t i = 0; i < count; ++i) {
      const int32_t id = sample.ids[at + i];
      if (id < 0 || id >= options_.vocab_size) {
        fail_internal("token id " + std::to_string(id) + " outside the vocabulary");
      }
      std::memcpy(&encoded_[i * token_bytes()], &id, token_bytes());
    }
    token_file_->write(encoded_.data(), encoded_.size());
    if (weight_file_) add_weights({&sample.weight[at], count});
    tokens_ += count, at += count;
  }
}

void ShardWriter::add_weights(std::span<const float> weights) {
  uint64_t token = tokens_;
  for (const float weight : weights) {
    if (weight > 0) bits_ |= static_cast<uint8_t>(1u << (token % 8));
    if (token++ % 8 == 7) weight_file_->write(&bits_, 1), bits_ = 0;
  }
}

void ShardWriter::add(const Sample& sample, uint32_t source, bool split) {
  bool whole = true;
  for (size_t i = 1; i < sample.weight.size(); ++i) whole &= sample.weight[i] == 1.0f;
  const DocumentEntry entry{tokens_, sample.id, source, whole};
  document_file_->write(&entry, sizeof entry);
  const auto length = static_cast<int64_t>(sample.ids.size());
  if (packer_ && length > options_.sequence_length && !split) fail_internal("a document longer than a row");
  add_tokens(sample);
  if (packer_) add_rows(packer_->add(static_cast<uint64_t>(documents_), length));
  ++documents_;
}

void ShardWriter::add_rows(const std::vector<PackedRow>& rows) {
  for (const auto& row : rows) {
    row_file_->write(&spans_, sizeof spans_);
    span_file_->write(row.data(), row.size() * sizeof(RowSpan));
    spans_ += row.size();
    ++rows_;
  }
}

std::vector<HashedFile> ShardWriter::finish() {
  close_shard();
  const DocumentEntry end{tokens_, 0, 0, 0};
  document_file_->write(&end, sizeof end);
  done_.push_back(document_file_->finish());
  if (packer_) {
    add_rows(packer_->finish());
    row_file_->write(&spans_, sizeof spans_);
    done_.push_back(span_file_->finish());
    done_.push_back(row_file_->finish());
  } else {
    rows_ = concat_rows(tokens_, options_.sequence_length);
  }
  return std::move(done_);
}

}  // namespace plumb::data
