#include "data/tokenizer/word_batch.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>

#include "data/tokenizer/encode_clock.h"

namespace plumb::data {

namespace {

constexpr size_t kKeyBytes = 16;  // that are read for a key, whatever the word's size

template <class Id>
constexpr size_t kFewIds = 16 / sizeof(Id);  // a short entry's

// The compiler makes no vectors of this loop by itself at the level the project is built with.
inline void copy_few(const uint16_t* from, int32_t* to) {
#if defined(__SSE2__)
  const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi16(all, _mm_setzero_si128()));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi16(all, _mm_setzero_si128()));
#else
  for (size_t k = 0; k < 8; ++k) to[k] = from[k];
#endif
}
inline void copy_few(const int32_t* from, int32_t* to) { std::memcpy(to, from, 16); }
// The others of up to 22.
inline void copy_more(const uint16_t* from, int32_t* to) {
  copy_few(from + 8, to + 8);
  copy_few(from + 14, to + 14);
}
inline void copy_more(const int32_t* from, int32_t* to) { std::memcpy(to + 4, from + 4, 18 * sizeof(int32_t)); }

}  // namespace

void WordBatch::add(const char* begin, const char* base, const uint32_t* ends, size_t count) {
  const char* const end = base + ends[count - 1];
  const bool inside = begin >= text_begin_ && end <= text_end_;
  const char* const readable_end = inside ? text_end_ : end;
  for (size_t done = 0; done < count;) {
    const size_t some = std::min(count - done, kWords - count_), first = count_, first_long = longs_;
    // Words so near the end that a key's bytes would lie behind it are copied first.
    size_t near = some;
    while (near > 0 &&
           readable_end - (near > 1 ? base + ends[done + near - 2] : begin) < static_cast<ptrdiff_t>(kKeyBytes))
      --near;
    const char* next = add_words(begin, base, ends + done, near, [](const char* word, size_t) { return word; });
    std::array<char, kKeyBytes> copy{};
    next = add_words(next, base, ends + done + near, some - near, [&](const char* word, size_t size) {
      std::memcpy(copy.data(), word, std::min(size, kKeyBytes));
      return copy.data();
    });
    if (longs_ > first_long) add_long(begin, base, ends + done, first, first_long, readable_end);
    begin = next;
    done += some;
    if (count_ == kWords) flush();
  }
  if (!inside) flush();
  encode_lap(EncodeStage::look_up);
}

// Keys of short words and the lines they are in; which words are long is only noted.
template <class Readable>
const char* WordBatch::add_words(const char* begin, const char* base, const uint32_t* ends, size_t count,
                                 Readable&& readable) {
  const WordCache::ShortLines lines = cache_.short_lines();
  size_t at = count_, longs = longs_;
  for (size_t i = 0; i < count; ++i, ++at) {
    const char* const end = base + ends[i];
    const auto size = static_cast<size_t>(end - begin);
    const char* const bytes = readable(begin, size);
    const WordCache::Key key = WordCache::short_key(bytes, size);
    Word& word = words_[at];
    word = {key.a, key.b, lines[WordCache::hash(key)], begin};
    __builtin_prefetch(word.place);
    list_[longs] = static_cast<uint32_t>(at);
    longs += WordCache::is_long(key);
    begin = end;
  }
  count_ = at;
  longs_ = longs;
  return begin;
}

void WordBatch::add_long(const char* begin, const char* base, const uint32_t* ends, size_t first, size_t first_long,
                         const char* readable_end) {
  const size_t until = longs_;
  longs_ = first_long;
  for (size_t l = first_long; l < until; ++l) {
    const uint32_t at = list_[l];
    const char* const word = at == first ? begin : base + ends[at - first - 1];
    const auto size = static_cast<size_t>(base + ends[at - first] - word);
    LongWord& entry = long_words_[longs_++];
    entry.word = at;
    entry.size = size;
    outliers_ = outliers_ || size > WordCache::kLongestWord;
    if (size > WordCache::kLongestWord) continue;
    entry.key = WordCache::long_key(word, size, static_cast<size_t>(readable_end - word));
    entry.hash = WordCache::hash(entry.key);
    __builtin_prefetch(cache_.long_line(entry.hash));
  }
}

void WordBatch::find() {
  const size_t count = count_;
  size_t others = 0;
  for (size_t i = 0; i < count; ++i) {
    Word& word = words_[i];
    const auto* const pair = static_cast<const WordCache::ShortEntry*>(word.place);
    // No branch on which of the two it is, nor on whether it is there: those are coin tosses.
    const uint64_t first = pair[0].differs(word.a, word.b), second = pair[1].differs(word.a, word.b);
    const WordCache::ShortEntry& entry = pair[first != 0];
    word.place = entry.narrow;
    counts_[i] = static_cast<uint8_t>(entry.count());
    list_[others] = static_cast<uint32_t>(i);
    others += (first != 0) & (second != 0);
  }
  for (size_t k = 0; k < others; ++k) {
    const size_t at = list_[k];
    const WordCache::Key key{words_[at].a, words_[at].b, 0};
    if (WordCache::is_long(key)) continue;
    const uint64_t hash = WordCache::hash(key);
    if (const auto* const entry = cache_.find_short(hash, key))
      found(at, *entry);
    else
      miss(key, hash, at, WordCache::short_size(key));
  }
  for (size_t l = 0; l < longs_; ++l) {
    const LongWord& word = long_words_[l];
    if (word.size > WordCache::kLongestWord)
      counts_[word.word] = kOutlier;
    else if (const auto* const entry = cache_.find_long(word.hash, word.key))
      found(word.word, *entry);
    else
      miss(word.key, word.hash, word.word, word.size);
  }
}

template <class Entry>
inline void WordBatch::found(size_t word, const Entry& entry) {
  words_[word].place = entry.narrow;
  counts_[word] = static_cast<uint8_t>(entry.count());
}

inline void WordBatch::miss(const WordCache::Key& key, uint64_t hash, size_t word, size_t size) {
  missed_[misses_] = {key, hash, static_cast<uint32_t>(word)};
  pieces_[misses_] = {words_[word].begin, static_cast<uint32_t>(size), 0, missed_ids_.data() + misses_ * kRoom};
  ++misses_;
}

void WordBatch::merge() {
  model_.encode_many(pieces_.data(), misses_);
  for (size_t m = 0; m < misses_; ++m) {
    const size_t at = m * kRoom, word = missed_[m].word;
    counts_[word] = static_cast<uint8_t>(pieces_[m].count);
    words_[word].place = missed_ids_.data() + at;
    if (!cache_.narrow()) continue;
    std::transform(missed_ids_.data() + at, missed_ids_.data() + at + kRoom, narrow_ids_.data() + at,
                   [](int32_t id) { return static_cast<uint16_t>(id); });
    words_[word].place = narrow_ids_.data() + at;
  }
}

// Always as many ids as an entry can hold: a loop over the true number would be mispredicted.
template <class Id>
inline int32_t* WordBatch::write_words(size_t from, size_t to, int32_t* out) const {
  for (size_t i = from; i < to; ++i) {
    const auto* const ids = static_cast<const Id*>(words_[i].place);
    const size_t count = counts_[i];
    copy_few(ids, out);
    if (count > kFewIds<Id>) copy_more(ids, out);
    out += count;
  }
  return out;
}

template <class Id>
void WordBatch::write() {
  size_t from = 0;
  for (size_t l = 0; outliers_ && l < longs_; ++l) {
    const size_t at = long_words_[l].word;
    if (counts_[at] != kOutlier) continue;
    ids_.insert(ids_.end(), out_.data(), write_words<Id>(from, at, out_.data()));
    model_.encode({words_[at].begin, long_words_[l].size}, ids_);
    from = at + 1;
  }
  ids_.insert(ids_.end(), out_.data(), write_words<Id>(from, count_, out_.data()));
}

void WordBatch::flush() {
  if (count_ == 0) return;
  misses_ = 0;
  find();
  encode_lap(EncodeStage::look_up);
  if (misses_ > 0) merge();
  encode_lap(EncodeStage::merge);
  if (cache_.narrow())
    write<uint16_t>();
  else
    write<int32_t>();
  encode_lap(EncodeStage::write);
  for (size_t m = 0; m < misses_; ++m)
    cache_.store(missed_[m].hash, missed_[m].key, missed_ids_.data() + m * kRoom, pieces_[m].count);
  encode_lap(EncodeStage::merge);
  count_ = longs_ = 0;
  outliers_ = false;
}

}  // namespace plumb::data
