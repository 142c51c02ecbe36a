// Words on their way to ids: gathered in batches, so that the cache's lines are under way before they are read.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/word_cache.h"

namespace plumb::data {

class WordBatch {
 public:
  // `text`: where most words lie; it may be read beyond their ends.
  WordBatch(const BpeModel& model, WordCache& cache, std::vector<int32_t>& ids, std::string_view text)
      : model_(model), cache_(cache), ids_(ids), text_begin_(text.data()), text_end_(text.data() + text.size()) {}
  WordBatch(const WordBatch&) = delete;
  WordBatch& operator=(const WordBatch&) = delete;

  // The word must live until finish() if it lies within the text, else until the call ends.
  [[gnu::always_inline]] void add(const char* begin, const char* end) {
    const bool inside = begin >= text_begin_ && end <= text_end_;
    const auto size = static_cast<size_t>(end - begin);
    Item& item = items_[count_++];
    item.begin = begin;
    item.size = size;
    if (size <= WordCache::kLongestWord) {
      item.key = WordCache::key(begin, size, inside ? static_cast<size_t>(text_end_ - begin) : size);
      item.hash = WordCache::hash(item.key);
      item.line = item.key.is_long() ? static_cast<const void*>(&cache_.long_slot(item.hash))
                                     : static_cast<const void*>(&cache_.short_slot(item.hash));
      __builtin_prefetch(item.line);
    }
    if (count_ == kItems || !inside) flush();
  }
  void finish() {  // all ids are in the vector only now
    flush();
    write();
  }

 private:
  static constexpr size_t kItems = 64;
  static constexpr size_t kBuffer = 2048;
  static constexpr size_t kRoom = 32;  // for the ids of a word that was missed: at most one a byte
  struct Item {
    const char* begin;
    size_t size;
    WordCache::Key key;
    uint64_t hash;
    const void* line;  // then the entry that holds the word, or nullptr: missed
  };
  void flush();
  void find(Item& item);
  void write_cached(const Item& item);
  void write_ids(const BpeModel::Piece& piece);
  void long_word(const Item& item);
  void write();  // what the buffer holds
  int32_t* room(size_t count) {
    if (filled_ + count > kBuffer) write();
    return buffer_.data() + filled_;
  }

  const BpeModel& model_;
  WordCache& cache_;
  std::vector<int32_t>& ids_;
  const char* text_begin_;
  const char* text_end_;
  size_t count_ = 0, filled_ = 0, misses_ = 0;
  std::array<Item, kItems> items_;
  std::array<BpeModel::Piece, kItems> missed_;
  std::array<uint32_t, kItems> missed_items_;
  std::array<int32_t, kItems * kRoom> missed_ids_;
  std::array<int32_t, kBuffer> buffer_;
};

}  // namespace plumb::data
