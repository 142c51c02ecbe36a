#include "data/tokenizer/word_batch.h"

#include <algorithm>

namespace plumb::data {

void WordBatch::write() {
  ids_.insert(ids_.end(), buffer_.data(), buffer_.data() + filled_);
  filled_ = 0;
}

void WordBatch::flush() {
  size_t misses = 0;
  for (size_t i = 0; i < count_; ++i) {
    Item& item = items_[i];
    if (item.size > WordCache::kLongestWord) continue;
    const WordCache::Entry& entry = cache_.slot(item.hash);
    item.entry = &entry;
    if (WordCache::holds(entry, item.key)) continue;
    item.entry = nullptr;
    missed_[misses] = {item.begin, static_cast<uint32_t>(item.size), 0, missed_ids_.data() + misses * kRoom};
    missed_items_[misses++] = static_cast<uint32_t>(i);
  }
  model_.encode_many(missed_.data(), misses);
  const BpeModel::Piece* missed = missed_.data();
  for (size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    if (item.size > WordCache::kLongestWord)
      long_word(item);
    else if (item.entry)
      write_cached(*item.entry);
    else
      write_ids(*missed++);
  }
  for (size_t m = 0; m < misses; ++m) {
    const Item& item = items_[missed_items_[m]];
    if (cache_.fits(missed_[m].count)) cache_.store(item.hash, item.key, missed_[m].ids, missed_[m].count);
  }
  count_ = 0;
}

void WordBatch::write_cached(const WordCache::Entry& entry) {
  int32_t* out = room(WordCache::kMostNarrow + 4);
  const size_t ids = entry.count();
  if (cache_.narrow()) {
    // Always eight, then the rest if there is one: a loop over the true number would be mispredicted.
    for (size_t k = 0; k < 8; ++k) out[k] = entry.narrow[k];
    if (ids > 8)
      for (size_t k = 8; k < WordCache::kMostNarrow; ++k) out[k] = entry.narrow[k];
  } else {
    std::copy_n(entry.wide, WordCache::kMostWide, out);
  }
  filled_ += ids;
}

void WordBatch::write_ids(const BpeModel::Piece& piece) {
  std::copy_n(piece.ids, kRoom, room(kRoom));
  filled_ += piece.count;
}

void WordBatch::long_word(const Item& item) {
  if (item.size <= BpeModel::kShort) {
    filled_ += model_.encode_short({item.begin, item.size}, room(BpeModel::kShort));
    return;
  }
  write();
  model_.encode({item.begin, item.size}, ids_);
}

}  // namespace plumb::data
