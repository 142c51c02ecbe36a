// Ids of the short words a thread met before; text repeats its words, so this is where most of the speed comes from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace plumb::data {

class WordCache {
 public:
  static constexpr size_t kLongestWord = 22;
  static constexpr size_t kMostIds = 20;  // that any entry holds

  // The bytes of a word. Up to 15 of them and the length in the top byte of b (c is 0), or up to 22 and the length in
  // the top byte but one of c.
  struct Key {
    uint64_t a, b, c;
    bool is_long() const { return c != 0; }
  };

  // Two words of up to 15 bytes and few ids share a line of the processor's cache.
  struct ShortEntry {
    uint64_t a, b;  // as in the key, with the number of ids in the top four bits of b
    union {
      uint16_t narrow[8];
      int32_t wide[4];
    };
    uint64_t differs(const Key& key) const { return (a ^ key.a) | ((b ^ key.b) & ~kCountBits); }
    size_t count() const { return b >> 60; }
    static constexpr uint64_t kCountBits = uint64_t{15} << 60;
  };
  struct alignas(64) ShortPair {
    std::array<ShortEntry, 2> entries;  // the newer one stands first
  };
  // A longer one has a line of its own.
  struct alignas(64) LongEntry {
    uint64_t a, b, c;  // as in the key, with the number of ids in the top byte of c
    union {
      uint16_t narrow[20];
      int32_t wide[10];
    };
    bool holds(const Key& key) const { return ((a ^ key.a) | (b ^ key.b) | ((c ^ key.c) & ~kCountBits)) == 0; }
    size_t count() const { return c >> 56; }
    static constexpr uint64_t kCountBits = uint64_t{255} << 56;
  };

  // `narrow`: all ids are below 65,536, so that twice as many fit.
  explicit WordCache(bool narrow);
  ~WordCache();
  WordCache(const WordCache&) = delete;
  WordCache& operator=(const WordCache&) = delete;

  // `readable`: bytes that may be read from begin on (the word may be followed by more text).
  static Key key(const char* begin, size_t size, size_t readable) {
    std::array<uint64_t, 3> parts{};
    if (readable >= sizeof parts)
      std::memcpy(parts.data(), begin, sizeof parts);
    else
      std::memcpy(parts.data(), begin, size);
    const auto& mask = kMasks[size < 16 ? size : 16];
    const uint64_t a = parts[0] & mask[0], b = parts[1] & mask[1];
    // Letters of three bytes take several ids each: more than a short entry holds.
    const bool ascii = ((a | b) & 0x8080808080808080u) == 0;
    const bool is_short = (size < 16) & ((size < 8) | ascii);  // one branch, nearly always taken
    if (is_short) return {a, b | static_cast<uint64_t>(size) << 56, 0};
    const uint64_t c = size > 16 ? parts[2] & kMasks[size - 16][0] : 0;
    return {a, b, c | static_cast<uint64_t>(size) << 48};
  }
  static uint64_t hash(const Key& key) {
    uint64_t h = key.a * 0x9E3779B97F4A7C15u ^ (key.b + 0x632BE59BD9B4E019u) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ key.c) * 0xC2B2AE3D27D4EB4Fu;
    return h ^ h >> 29;
  }
  // Where a word is or would be. Valid until the next store().
  ShortPair& short_slot(uint64_t hash) { return short_.lines[hash & short_.mask]; }
  LongEntry& long_slot(uint64_t hash) { return long_.lines[hash & long_.mask]; }

  bool narrow() const { return narrow_; }
  // Words with more ids than fit are not kept. Entries are overwritten by later words (bounded memory).
  void store(uint64_t hash, const Key& key, const int32_t* ids, size_t count);

  // The calling thread's cache for the tokenizer with this serial number (never reused). Two are kept, for a pair of
  // tokenizers in turn.
  static WordCache& of_this_thread(uint64_t serial, bool narrow);
  static uint64_t next_serial();

 private:
  static const std::array<std::array<uint64_t, 2>, 17> kMasks;  // the first n bytes of sixteen
  template <class Line>
  struct Table {
    Line* lines = nullptr;
    size_t mask = 0;
    size_t stored = 0;  // since the table has this size
    bool may_grow = true;
  };
  template <class Line>
  bool grow(Table<Line>& table, Table<Line>& before, size_t most);
  template <class Entry>
  void write(Entry& entry, const int32_t* ids, size_t count) const;
  void store_short(uint64_t hash, const Key& key, const int32_t* ids, size_t count);
  void store_long(uint64_t hash, const Key& key, const int32_t* ids, size_t count);

  Table<ShortPair> short_;
  Table<LongEntry> long_;
  bool narrow_;
};

}  // namespace plumb::data
