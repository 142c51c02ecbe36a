// A dataset folder opened for reading. A file is opened when first touched: the start takes no longer for a large one.
// Files of a folder in an object store are fetched then; those used least are let go of, so that a dataset may be
// larger than the cache.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

#include "data/shards/manifest.h"

namespace plumb::data {

class ShardDataset : public Dataset {
 public:
  // `store`: where the folder lies; none: here.
  explicit ShardDataset(std::filesystem::path folder, std::shared_ptr<Store> store = nullptr);

  std::string digest() const override { return manifest_.digest; }
  std::filesystem::path folder() const override { return folder_; }
  int64_t sequence_length() const override { return manifest_.sequence_length; }
  std::string packing() const override { return manifest_.packing; }
  std::string tokenizer_digest() const override { return manifest_.tokenizer_digest; }
  int64_t documents() const override { return static_cast<int64_t>(manifest_.documents); }
  int64_t tokens() const override { return static_cast<int64_t>(manifest_.tokens); }
  int64_t rows() const override { return static_cast<int64_t>(manifest_.rows); }
  bool has_prompts() const override { return manifest_.weights; }
  BuildReport report() const override { return manifest_.report; }
  Sample sample(int64_t document) const override;
  int64_t document_tokens(int64_t document) const override;
  uint64_t document_id(int64_t document) const override;
  std::string document_source(int64_t document) const override;
  std::string document_where(int64_t document) const override;
  std::vector<int64_t> documents_with_id(uint64_t id) const override;
  std::vector<int64_t> documents_at(const std::string& where) const override;
  std::string text_file(const std::string& name) const override;
  TokenizerPtr tokenizer() const override;
  void verify() const override;
  void verify_document(int64_t document) const override;
  void read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const override;
  std::vector<Span> row(int64_t row) const override;
  std::vector<int64_t> rows_of(int64_t document) const override;

 private:
  using OpenFile = std::shared_ptr<const VerifiedFile>;
  // One file of the manifest; opened on first use.
  struct Slot {
    const Manifest::File* file = nullptr;
    std::span<const uint64_t> blocks = {};
    mutable std::atomic<const VerifiedFile*> opened{nullptr};  // of a local one, which stays open
    mutable OpenFile owner = nullptr;
    mutable uint64_t used = 0;  // when, as counted by uses_
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
  LocalFile fetch(const std::string& name) const;
  // A file is there for others once `check` has passed.
  using Check = std::function<void(const VerifiedFile&)>;
  OpenFile open(const Slot& slot, const Check& check = {}) const;
  OpenFile open_fetched(const Slot& slot, const Check& check) const;
  OpenFile open(const Slot& slot, uint32_t element_bytes, uint64_t payload, const Place& place) const;
  void close_least_used(uint64_t most_bytes) const;
  template <uint64_t Place::*first>
  const Place& place_of(uint64_t number) const;
  Found find(int64_t document) const;
  template <class Matches>
  std::vector<int64_t> documents_that(const Matches& matches) const;
  DocumentEntry entry(const Place& place, uint64_t index) const;  // index = part's documents: the end
  uint64_t tokens_of(const Place& place, uint64_t index) const;
  void read_ids(const Place& place, uint64_t first, std::span<int32_t> ids) const;
  void read_weights(const Place& place, uint64_t first, std::span<float> weights) const;
  std::vector<Span> concat_row(uint64_t row) const;

  std::filesystem::path folder_;
  std::shared_ptr<Store> store_;
  mutable std::map<std::string, StoreEntry> entries_;  // of files that were fetched
  Manifest manifest_;
  LocalFile blocks_file_;
  core::MappedFile blocks_;
  std::deque<Slot> slots_;
  std::unordered_map<std::string, const Slot*> by_name_;
  std::vector<Place> places_;
  mutable std::mutex opening_;
  mutable uint64_t uses_ = 0, open_bytes_ = 0;  // of fetched files
  mutable std::vector<uint64_t> source_lines_;  // where the lines of sources.jsonl begin
};

}  // namespace plumb::data
