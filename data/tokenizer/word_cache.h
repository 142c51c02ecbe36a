// Ids of the short words a thread met before; text repeats its words, so this is where most of the speed comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace plumb::data {

class WordCache {
 public:
  static constexpr size_t kLongestWord = 22;
  static constexpr size_t kMostNarrow = 20, kMostWide = 10;  // ids an entry holds: below 65,536, and any

  struct Key {
    uint64_t a = 0, b = 0, c = 0;  // the bytes; the length stands in bits 48-55 of c, the number of ids above it
  };
  struct alignas(64) Entry {  // one cache line
    Key key;
    union {
      uint16_t narrow[kMostNarrow];
      int32_t wide[kMostWide];
    };
    uint64_t count() const { return key.c >> 56; }
  };

  // `narrow`: all ids are below 65,536.
  explicit WordCache(bool narrow);
  ~WordCache();
  WordCache(const WordCache&) = delete;
  WordCache& operator=(const WordCache&) = delete;

  // `readable`: bytes that may be read from word.data() on (the word may be followed by more text).
  static Key key(std::string_view word, size_t readable) {
    uint64_t parts[3] = {0, 0, 0};
    const size_t n = word.size();
    if (readable >= sizeof parts) {
      std::memcpy(parts, word.data(), sizeof parts);
      if (n < 8) {
        parts[0] &= mask(n);
        parts[1] = parts[2] = 0;
      } else if (n < 16) {
        parts[1] &= mask(n - 8);
        parts[2] = 0;
      } else {
        parts[2] &= mask(n - 16);
      }
    } else {
      std::memcpy(parts, word.data(), n);
    }
    return {parts[0], parts[1], parts[2] | static_cast<uint64_t>(n) << 48};
  }
  static uint64_t hash(const Key& key) {
    uint64_t h = key.a * 0x9E3779B97F4A7C15u ^ (key.b + 0x632BE59BD9B4E019u) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ key.c) * 0xC2B2AE3D27D4EB4Fu;
    return h ^ h >> 29;
  }
  // Where the word is or would be; entries are overwritten by later words (bounded memory).
  Entry& slot(uint64_t hash) { return entries_[hash & mask_]; }
  void prefetch(uint64_t hash) const { __builtin_prefetch(&entries_[hash & mask_]); }
  static bool holds(const Entry& entry, const Key& key) {
    return ((entry.key.a ^ key.a) | (entry.key.b ^ key.b) | ((entry.key.c ^ key.c) & kKeyBits)) == 0;
  }
  bool fits(size_t count) const { return count <= (narrow_ ? kMostNarrow : kMostWide); }
  bool narrow() const { return narrow_; }
  // Of a word whose slot holds another one; count must fit. May move all entries.
  void store(uint64_t hash, const Key& key, const int32_t* ids, size_t count);

  // The calling thread's cache for the tokenizer with this serial number (never reused). Two are kept, for a pair of
  // tokenizers in turn.
  static WordCache& of_this_thread(uint64_t serial, bool narrow);
  static uint64_t next_serial();

 private:
  static constexpr uint64_t kKeyBits = (uint64_t{1} << 56) - 1;
  static uint64_t mask(size_t bytes) { return (uint64_t{1} << (8 * bytes)) - 1; }  // bytes < 8, little endian
  void grow();

  Entry* entries_ = nullptr;
  size_t mask_ = 0;
  size_t stored_ = 0;  // since the table has this size
  bool may_grow_ = true;
  bool narrow_;
};

}  // namespace plumb::data
