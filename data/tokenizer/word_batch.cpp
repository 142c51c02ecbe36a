#include "data/tokenizer/word_batch.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>

namespace plumb::data {

void WordBatch::write() {
  ids_.insert(ids_.end(), buffer_.data(), buffer_.data() + filled_);
  filled_ = 0;
}

inline void WordBatch::find(Item& item) {
  bool found = false;
  if (item.key.is_long()) {
    found = static_cast<const WordCache::LongEntry*>(item.line)->holds(item.key);
  } else {
    const auto& pair = static_cast<const WordCache::ShortPair*>(item.line)->entries;
    // No branch on which of the two it is: that is a coin toss.
    const uint64_t first = pair[0].differs(item.key), second = pair[1].differs(item.key);
    found = std::min(first, second) == 0;
    item.line = pair.data() + (first != 0);
  }
  if (found) return;
  item.line = nullptr;
  missed_[misses_] = {item.begin, static_cast<uint32_t>(item.size), 0, missed_ids_.data() + misses_ * kRoom};
  missed_items_[misses_++] = static_cast<uint32_t>(&item - items_.data());
}

void WordBatch::flush() {
  misses_ = 0;
  for (size_t i = 0; i < count_; ++i)
    if (items_[i].size <= WordCache::kLongestWord) find(items_[i]);
  if (misses_ > 0) model_.encode_many(missed_.data(), misses_);
  const BpeModel::Piece* missed = missed_.data();
  for (size_t i = 0; i < count_; ++i) {
    const Item& item = items_[i];
    if (item.size > WordCache::kLongestWord)
      long_word(item);
    else if (item.line)
      write_cached(item);
    else
      write_ids(*missed++);
  }
  for (size_t m = 0; m < misses_; ++m) {
    const Item& item = items_[missed_items_[m]];
    cache_.store(item.hash, item.key, missed_[m].ids, missed_[m].count);
  }
  count_ = 0;
}

namespace {

// The compiler makes no vectors of this loop by itself at the level the project is built with.
inline void widen8(const uint16_t* from, int32_t* to) {
#if defined(__SSE2__)
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi16(all, _mm_setzero_si128()));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi16(all, _mm_setzero_si128()));
#else
  for (size_t k = 0; k < 8; ++k) to[k] = from[k];
#endif
}

}  // namespace

// Always as many ids as an entry can hold: a loop over the true number would be mispredicted.
inline void WordBatch::write_cached(const Item& item) {
  int32_t* const out = room(WordCache::kMostIds);
  if (item.key.is_long()) {
    const auto& entry = *static_cast<const WordCache::LongEntry*>(item.line);
    if (cache_.narrow())
      for (const size_t k : {0, 8, 12}) widen8(entry.narrow + k, out + k);
    else
      std::copy_n(entry.wide, 10, out);
    filled_ += entry.count();
    return;
  }
  const auto& entry = *static_cast<const WordCache::ShortEntry*>(item.line);
  if (cache_.narrow())
    widen8(entry.narrow, out);
  else
    std::copy_n(entry.wide, 4, out);
  filled_ += entry.count();
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
