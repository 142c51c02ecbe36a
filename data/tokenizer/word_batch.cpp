#include "data/tokenizer/word_batch.h"

#include <algorithm>

namespace plumb::data {

void WordBatch::write() {
  ids_.insert(ids_.end(), buffer_.data(), buffer_.data() + filled_);
  filled_ = 0;
}

void WordBatch::flush() {
  for (size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    if (item.size > WordCache::kLongestWord) {
      long_word(item);
      continue;
    }
    const WordCache::Entry& entry = cache_.slot(item.hash);
    if (!WordCache::holds(entry, item.key)) {
      miss(item);
      continue;
    }
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
  count_ = 0;
}

void WordBatch::miss(const Item& item) {
  int32_t* out = room(BpeModel::kShort);
  const size_t ids = model_.encode_short({item.begin, item.size}, out);
  if (cache_.fits(ids)) cache_.store(item.hash, item.key, out, ids);
  filled_ += ids;
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
