// A dataset folder opened for reading. A file is opened when first touched: the start takes no longer for a large one.
#pragma once

#include <deque>
#include <mutex>
#include <unordered_map>

#include "data/shards/manifest.h"

namespace plumb::data {

class ShardDataset : public Dataset {
 public:
  explicit ShardDataset(std::filesystem::path folder);

  std::string digest() const override { return manifest_.digest; }
  std::filesystem::path folder() const override { return folder_; }
  int64_t sequence_length() const override { return manifest_.sequence_length; }
  std::string packing() const override { return manifest_.packing; }
  std::string tokenizer_digest() const override { return manifest_.tokenizer_digest; }
  int64_t documents() const override { return static_cast<int64_t>(manifest_.documents); }
  int64_t tokens() const override { return static_cast<int64_t>(manifest_.tokens); }
  int64_t rows() const override { return static_cast<int64_t>(manifest_.rows); }
  BuildReport report() const override { return manifest_.report; }
  Sample sample(int64_t document) const override;
  int64_t document_tokens(int64_t document) const override;
  uint64_t document_id(int64_t document) const override;
  std::string document_source(int64_t document) const override;
  std::string document_where(int64_t document) const override;
  std::string text_file(const std::string& name) const override;
  TokenizerPtr tokenizer() const override;
  void verify() const override;
  void read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const override;
  std::vector<Span> row(int64_t row) const override;
  std::vector<int64_t> rows_of(int64_t document) const override;

 private:
  // One file of the manifest; opened on first use.
  struct Slot {
    const Manifest::File* file = nullptr;
    std::span<const uint64_t> blocks = {};
    mutable std::atomic<const VerifiedFile*> opened{nullptr};
    mutable std::unique_ptr<const VerifiedFile> owner = nullptr;
  };
  // A part with what stands before it.
  struct Place {
    const PartCounts* part;
    uint64_t first_document, first_token, first_row;
    const Slot *tokens = nullptr, *weights = nullptr, *documents = nullptr, *spans = nullptr, *rows = nullptr;
  };
  struct Found {
    const Place* place;
    uint64_t index;  // in the part
  };

  void open_slots();
  void place_parts();
  const Slot& slot(const std::string& name) const;
  const VerifiedFile& open(const Slot& slot) const;
  const VerifiedFile& open(const Slot& slot, uint32_t element_bytes, uint64_t payload, const Place& place) const;
  template <uint64_t Place::*first>
  const Place& place_of(uint64_t number) const;
  Found find(int64_t document) const;
  DocumentEntry entry(const Place& place, uint64_t index) const;  // index = part's documents: the end
  uint64_t tokens_of(const Place& place, uint64_t index) const;
  void read_ids(const Place& place, uint64_t first, std::span<int32_t> ids) const;
  void read_weights(const Place& place, uint64_t first, std::span<float> weights) const;
  std::vector<Span> concat_row(uint64_t row) const;

  std::filesystem::path folder_;
  Manifest manifest_;
  core::MappedFile blocks_;
  std::deque<Slot> slots_;
  std::unordered_map<std::string, const Slot*> by_name_;
  std::vector<Place> places_;
  mutable std::mutex opening_;
  mutable std::vector<uint64_t> source_lines_;  // where the lines of sources.jsonl begin
};

}  // namespace plumb::data
