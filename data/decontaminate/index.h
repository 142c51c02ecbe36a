// Where word n-grams stand in the items of the evaluation sets. Looked up by a 64-bit key, then compared word by word.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/decontaminate/words.h"

namespace plumb::data::decontaminate {

inline constexpr size_t shortest_item = 8;    // words; shorter items say nothing, as in GPT-3
inline constexpr size_t template_items = 32;  // an n-gram of more items of one set is the set's form, not an item's
inline constexpr size_t item_places = 4;      // of an n-gram within one item
inline constexpr uint64_t index_limit = uint64_t{4} << 30;  // bytes

struct Item {
  uint32_t set = 0, number = 0;        // the how-many-th of its set
  uint32_t first_word = 0, words = 0;  // in the index
  std::vector<uint32_t> twins;         // numbers of equal items of the same set
};

struct SetSummary {
  int64_t items = 0, too_short = 0, template_ngrams = 0;
};

// Words of a document that stand in an item: n-grams that overlap or touch, joined.
struct WordRun {
  uint32_t first = 0, words = 0, ngrams = 0;
  bool operator==(const WordRun&) const = default;
};

// What a document shares with one item.
struct Shared {
  uint32_t item = 0;
  uint32_t covered = 0;         // words of the item
  std::vector<WordRun> ranges;  // apart from each other
};

class ItemIndex {
 public:
  // key_bits below 64 makes keys collide: what is found must not depend on it.
  explicit ItemIndex(size_t ngram, int key_bits = 64);
  void add(uint32_t set, uint32_t number, const Words&);  // all sets in order, then finish()
  void finish();
  std::vector<Shared> look_up(const Words&) const;  // by item
  const Item& item(uint32_t index) const { return items_[index]; }
  const std::vector<SetSummary>& sets() const { return sets_; }

 private:
  struct Entry {
    uint64_t key;
    uint32_t word, item;  // first word, in the index
  };
  size_t ngram_;
  uint64_t mask_;
  std::string text_;               // of all items' words
  std::vector<uint32_t> offsets_;  // of each word
  std::vector<uint32_t> lengths_;  // bytes of each word
  std::vector<Item> items_;
  std::vector<SetSummary> sets_;
  std::vector<size_t> counts_;    // numbers of words that are looked for: short items' and n
  std::vector<Entry> entries_;    // by key
  std::vector<uint32_t> slots_;   // first entry of a key, from 1; 0: free
  std::vector<uint64_t> filter_;  // a bit for most keys that are there
  uint64_t slot_mask_ = 0, filter_mask_ = 0;
  std::map<std::pair<uint32_t, uint64_t>, std::vector<uint32_t>>
      seen_;  // set and key of a text -> items, until finish()

  std::string_view run(size_t word, size_t count) const {
    return std::string_view(text_).substr(offsets_[word],
                                          offsets_[word + count - 1] + lengths_[word + count - 1] - offsets_[word]);
  }
  size_t count_of(const Item& item) const { return std::min<size_t>(item.words, ngram_); }
  std::pair<uint32_t, std::string_view> holder_of(const Entry& entry) const {
    const Item& item = items_[entry.item];
    return {item.set, run(entry.word, count_of(item))};
  }
  bool has_places(const std::vector<Entry>& kept, const Entry& entry) const;
  void drop_templates();
  void make_table();
  uint32_t first_entry(uint64_t key) const;
};

}  // namespace plumb::data::decontaminate
