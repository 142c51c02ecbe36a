// A dataset that is computed, not stored: any size, and every call counted.
#pragma once

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/philox.h"
#include "data/dataset.h"
#include "data/packing.h"

namespace plumb::data {

// Documents of random lengths in [2, longest], packed like the real one's.
class FakeDataset : public Dataset {
 public:
  FakeDataset(std::string name, int64_t documents, int64_t sequence_length, std::string packing, int64_t longest = 40)
      : name_(std::move(name)), sequence_length_(sequence_length), packing_(std::move(packing)) {
    Packer packer(packing_ == "best_fit", sequence_length);
    const auto append = [&](std::vector<PackedRow> rows) {
      for (auto& row : rows) packed_.push_back(std::move(row));
    };
    for (int64_t d = 0; d < documents; ++d) {
      const auto random = core::philox(name_.size() + static_cast<uint64_t>(name_[0]), static_cast<uint64_t>(d), 0);
      const int64_t length = 2 + random.x[0] % (longest - 1);
      starts_.push_back(tokens_), tokens_ += length;
      if (packing_ != "concat") append(packer.add(static_cast<uint64_t>(d), length));
    }
    starts_.push_back(tokens_);
    if (packing_ != "concat") append(packer.finish());
    rows_ = packing_ == "concat" ? concat_rows(static_cast<uint64_t>(tokens_), sequence_length)
                                 : static_cast<int64_t>(packed_.size());
  }

  std::string digest() const override { return "digest of " + name_; }
  std::filesystem::path folder() const override { return name_; }
  int64_t sequence_length() const override { return sequence_length_; }
  std::string packing() const override { return packing_; }
  std::string tokenizer_digest() const override { return "tokenizer"; }
  int64_t documents() const override { return static_cast<int64_t>(starts_.size()) - 1; }
  int64_t tokens() const override { return tokens_; }
  int64_t rows() const override { return rows_; }
  BuildReport report() const override { return {}; }
  Sample sample(int64_t document) const override {
    Sample sample;
    sample.ids.resize(static_cast<size_t>(document_tokens(document))), sample.weight.resize(sample.ids.size());
    read(document, 0, sample.ids, sample.weight);
    return sample;
  }
  int64_t document_tokens(int64_t document) const override {
    const auto at = static_cast<size_t>(document);
    return starts_.at(at + 1) - starts_.at(at);
  }
  uint64_t document_id(int64_t document) const override {
    return static_cast<uint64_t>(document) << 8 | (name_[0] & 255);
  }
  std::string document_source(int64_t) const override { return name_; }
  void read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const override {
    ++reads_;
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t at = begin + static_cast<int64_t>(i);
      const auto random =
          core::philox(static_cast<uint64_t>(name_[0]), static_cast<uint64_t>(document), static_cast<uint64_t>(at));
      ids[i] = static_cast<int32_t>(random.x[0] % 30000);
      if (i < weights.size()) weights[i] = at == 0 || random.x[1] % 5 == 0 ? 0.0f : 1.0f;
    }
  }
  std::vector<Span> row(int64_t row) const override {
    ++row_reads_;
    if (row == broken_row) fail_input(name_, "a row that cannot be read");
    if (row < 0 || row >= rows_) fail_input(name_, "expected a row, found " + std::to_string(row));
    std::vector<Span> spans;
    if (packing_ != "concat") {
      for (const auto& span : packed_[static_cast<size_t>(row)]) {
        spans.push_back({static_cast<int64_t>(span.document), span.begin, span.end});
      }
      return spans;
    }
    int64_t at = row * sequence_length_;
    const int64_t end = std::min(at + sequence_length_, tokens_);
    auto document = std::upper_bound(starts_.begin(), starts_.end(), at) - starts_.begin() - 1;
    for (; at < end; ++document) {
      const auto d = static_cast<size_t>(document);
      const int64_t stop = std::min(end, starts_[d + 1]);
      spans.push_back({document, at - starts_[d], stop - starts_[d]});
      at = stop;
    }
    return spans;
  }

  int64_t reads() const { return reads_; }
  int64_t row_reads() const { return row_reads_; }
  int64_t broken_row = -1;

 protected:
  std::string name_;
  int64_t sequence_length_;
  std::string packing_;
  std::vector<int64_t> starts_;
  std::vector<PackedRow> packed_;
  int64_t tokens_ = 0, rows_ = 0;
  mutable std::atomic<int64_t> reads_{0}, row_reads_{0};
};

// As many tokens as one likes: documents of one length, a row each.
class HugeDataset : public FakeDataset {
 public:
  HugeDataset(std::string name, int64_t tokens, int64_t sequence_length)
      : FakeDataset(std::move(name), 1, sequence_length, "concat") {
    tokens_ = tokens, rows_ = tokens / sequence_length;
  }
  int64_t documents() const override { return rows_; }
  int64_t document_tokens(int64_t) const override { return sequence_length_; }
  std::vector<Span> row(int64_t row) const override {
    ++row_reads_;
    return {{row, 0, sequence_length_}};
  }
};

inline bool same(const Batch& a, const Batch& b) {
  return a.rows == b.rows && a.ids == b.ids && a.labels == b.labels && a.loss_weight == b.loss_weight &&
         a.positions == b.positions && a.doc_offsets == b.doc_offsets && a.row_ids == b.row_ids &&
         a.sample_ids == b.sample_ids && a.group_ids == b.group_ids;
}

}  // namespace plumb::data
