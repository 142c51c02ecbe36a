#include "data/shards/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace plumb::data {

PartWriter::PartWriter(std::filesystem::path folder, Options options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

PartWriter::File PartWriter::open(const char* kind, uint32_t element_bytes) const {
  auto file = std::make_unique<HashedWriter>(folder_, fmt::format("{}-{:05}.bin", kind, options_.part));
  file->header(element_bytes, options_.part, options_.tokenizer_digest);
  return file;
}

void PartWriter::open_all() {
  token_file_ = open("tokens", token_width(options_.vocab_size));
  if (options_.any_weights) weight_file_ = open("weights", 0);
  document_file_ = open("documents", sizeof(DocumentEntry));
  if (options_.packing == "concat") return;
  packer_ = std::make_unique<Packer>(options_.packing == "best_fit", options_.sequence_length);
  span_file_ = open("spans", sizeof(RowSpan));
  row_file_ = open("rows", sizeof(uint64_t));
}

void PartWriter::add_tokens(const Sample& sample) {
  const uint32_t width = token_width(options_.vocab_size);
  encoded_.resize(sample.ids.size() * width);
  for (size_t i = 0; i < sample.ids.size(); ++i) {
    const int32_t id = sample.ids[i];
    if (id < 0 || id >= options_.vocab_size) {
      fail_internal("token id " + std::to_string(id) + " outside the vocabulary");
    }
    std::memcpy(&encoded_[i * width], &id, width);
  }
  token_file_->write(encoded_.data(), encoded_.size());
  uint64_t token = tokens_;
  for (size_t i = 0; weight_file_ && i < sample.weight.size(); ++i) {
    if (sample.weight[i] > 0) bits_ |= static_cast<uint8_t>(1u << (token % 8));
    if (token++ % 8 == 7) weight_file_->write(&bits_, 1), bits_ = 0;
  }
  tokens_ += sample.ids.size();
}

void PartWriter::add(const Sample& sample, const Origin& origin, bool split) {
  if (!token_file_) open_all();
  bool whole = true;
  for (size_t i = 1; i < sample.weight.size(); ++i) whole &= sample.weight[i] == 1.0f;
  const DocumentEntry entry{tokens_, sample.id, tokens_hash(sample), origin.line, origin.file, origin.source, whole};
  document_file_->write(&entry, sizeof entry);
  const auto length = static_cast<int64_t>(sample.ids.size());
  if (packer_ && length > options_.sequence_length && !split) fail_internal("a document longer than a row");
  add_tokens(sample);
  if (packer_) add_rows(packer_->add(static_cast<uint64_t>(documents_), length));
  ++documents_;
}

void PartWriter::add_rows(const std::vector<PackedRow>& rows) {
  for (const auto& row : rows) {
    row_file_->write(&spans_, sizeof spans_);
    span_file_->write(row.data(), row.size() * sizeof(RowSpan));
    for (const auto& span : row) positions_ += span.end - span.begin;
    spans_ += row.size();
    ++rows_;
  }
}

std::vector<HashedFile> PartWriter::finish() {
  std::vector<HashedFile> done;
  if (!token_file_) return done;
  done.push_back(token_file_->finish());
  if (weight_file_) {
    if (tokens_ % 8 != 0) weight_file_->write(&bits_, 1);
    done.push_back(weight_file_->finish());
  }
  const DocumentEntry end{tokens_, 0, 0, 0, 0, 0, 0};
  document_file_->write(&end, sizeof end);
  done.push_back(document_file_->finish());
  if (packer_) {
    add_rows(packer_->finish());
    row_file_->write(&spans_, sizeof spans_);
    done.push_back(span_file_->finish());
    done.push_back(row_file_->finish());
  }
  return done;
}

StreamWriter::StreamWriter(std::filesystem::path folder, PartWriter::Options options)
    : folder_(std::move(folder)), options_(std::move(options)) {}

void StreamWriter::add(const Sample& sample, const Origin& origin, bool split) {
  constexpr uint64_t kTokens = uint64_t{1} << 27;
  if (part_ && part_->tokens() >= kTokens) close_part();
  if (!part_) part_ = std::make_unique<PartWriter>(folder_, options_);
  part_->add(sample, origin, split);
}

void StreamWriter::close_part() {
  for (auto& file : part_->finish()) files_.push_back(std::move(file));
  parts_.push_back({options_.part++, static_cast<uint64_t>(part_->documents()), part_->tokens(),
                    static_cast<uint64_t>(part_->rows()), part_->spans()});
  rows_ += part_->rows(), positions_ += part_->positions();
  part_.reset();
}

void StreamWriter::finish() {
  if (part_) close_part();
}

HashedFile write_hashed(const std::filesystem::path& folder, const std::string& name, std::string_view text) {
  HashedWriter writer(folder, name);
  writer.write(text);
  return writer.finish();
}

}  // namespace plumb::data
