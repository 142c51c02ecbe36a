// Words on their way to ids: gathered in batches, so that the cache's lines are under way before they are read and no
// step over the words has a branch that depends on the word.
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

  // Words that lie behind each other, the first from `begin` to base + ends[0]. They must live until finish() if they
  // lie within the text, else until the call ends.
  void add(const char* begin, const char* base, const uint32_t* ends, size_t count);
  void add(const char* begin, const char* end) {
    const uint32_t no_further = 0;
    add(begin, end, &no_further, 1);
  }
  void finish() { flush(); }  // all ids are in the vector only now

 private:
  static constexpr size_t kWords = 256;
  static constexpr size_t kRoom = 24;       // for the ids of a word that was missed: at most one a byte
  static constexpr uint8_t kOutlier = 255;  // instead of a number of ids: a word that is too long for the cache
  struct Word {
    uint64_t a, b;      // as in WordCache::Key
    const void* place;  // its line in the cache, then its ids
    const char* begin;
  };
  struct LongWord {
    WordCache::Key key;
    uint64_t hash;
    size_t word, size;
  };
  struct Missed {
    WordCache::Key key;
    uint64_t hash;
    size_t word;
  };
  template <class Readable>
  const char* add_words(const char* begin, const char* base, const uint32_t* ends, size_t count, Readable&& readable);
  void add_long(const char* begin, const char* base, const uint32_t* ends, size_t first, size_t first_long,
                const char* readable_end);
  void flush();
  void find();
  template <class Entry>
  void found(size_t word, const Entry& entry);
  void miss(const WordCache::Key& key, uint64_t hash, size_t word, size_t size);
  void merge();
  template <class Id>
  void write();
  template <class Id>
  int32_t* write_words(size_t from, size_t to, int32_t* out) const;

  const BpeModel& model_;
  WordCache& cache_;
  std::vector<int32_t>& ids_;
  const char* text_begin_;
  const char* text_end_;
  size_t count_ = 0, longs_ = 0, misses_ = 0;
  bool outliers_ = false;
  std::array<Word, kWords> words_;
  std::array<uint8_t, kWords> counts_;  // of ids
  std::array<uint32_t, kWords> list_;   // of words that need a further look
  std::array<LongWord, kWords> long_words_;
  std::array<Missed, kWords> missed_;
  std::array<BpeModel::Piece, kWords> pieces_;  // the missed ones
  std::array<int32_t, kWords * kRoom> missed_ids_;
  std::array<uint16_t, kWords * kRoom> narrow_ids_;
  std::array<int32_t, kWords * kRoom + kRoom> out_;
};

}  // namespace plumb::data
