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

  // The bytes of a word. Up to 15 of them, of which those from the ninth on are ASCII, with the length in the top byte
  // of b and 0 in c: a letter of three bytes takes several ids, and a short entry holds few. Or up to 22, with the
  // length in the top byte but one of c.
  struct Key {
    uint64_t a, b, c;
  };

  // Two words of up to 15 bytes and few ids share a line of the processor's cache.
  struct alignas(32) ShortEntry {
    uint64_t a, b;  // as in the key, with the number of ids in the top four bits of b
    union {
      uint16_t narrow[8];
      int32_t wide[4];
    };
    uint64_t differs(uint64_t key_a, uint64_t key_b) const { return (a ^ key_a) | ((b ^ key_b) & ~kCountBits); }
    bool holds(const Key& key) const { return differs(key.a, key.b) == 0; }
    bool empty() const { return b == 0; }
    Key key() const { return {a, b & ~kCountBits, 0}; }
    size_t count() const { return b >> 60; }
    static constexpr uint64_t kCountBits = uint64_t{15} << 60;
  };
  // A longer one has a line of its own.
  struct alignas(64) LongEntry {
    uint64_t a, b, c;  // as in the key, with the number of ids in the top byte of c
    union {
      uint16_t narrow[20];
      int32_t wide[10];
    };
    bool holds(const Key& key) const { return ((a ^ key.a) | (b ^ key.b) | ((c ^ key.c) & ~kCountBits)) == 0; }
    bool empty() const { return c == 0; }
    Key key() const { return {a, b, c & ~kCountBits}; }
    size_t count() const { return c >> 56; }
    static constexpr uint64_t kCountBits = uint64_t{255} << 56;
  };

  // `narrow`: all ids are below 65,536, so that twice as many fit.
  explicit WordCache(bool narrow);
  ~WordCache();
  WordCache(const WordCache&) = delete;
  WordCache& operator=(const WordCache&) = delete;

  // Sixteen bytes may be read from `begin` on. What comes out for a longer word only tells that it is_long().
  static Key short_key(const char* begin, size_t size) {
    std::array<uint64_t, 2> parts;
    std::memcpy(parts.data(), begin, sizeof parts);
    const uint64_t most = size < 16 ? size : 16;
    const auto& mask = kMasks[most];
    const uint64_t a = parts[0] & mask[0], b = parts[1] & mask[1];
    return {a, b | most << 56 | static_cast<uint64_t>((b & 0x8080808080808080u) != 0) << 60, 0};
  }
  static bool is_long(const Key& short_key) { return short_key.b >> 60 & 1; }
  static size_t short_size(const Key& key) { return key.b >> 56; }
  // `readable`: bytes that may be read from `begin` on.
  static Key long_key(const char* begin, size_t size, size_t readable) {
    std::array<uint64_t, 3> parts{};
    std::memcpy(parts.data(), begin, readable >= sizeof parts ? sizeof parts : size);
    for (size_t i = 0; i < 3; ++i)
      parts[i] &= size >= 8 * i + 8 ? ~uint64_t{0} : size > 8 * i ? (uint64_t{1} << 8 * (size - 8 * i)) - 1 : 0;
    return {parts[0], parts[1], parts[2] | static_cast<uint64_t>(size) << 48};
  }
  static uint64_t hash(const Key& key) {
    const auto product = static_cast<unsigned __int128>(key.a ^ 0x9E3779B97F4A7C15u) *
                         (key.b ^ 0xD6E8FEB86659FD93u ^ key.c * 0xC2B2AE3D27D4EB4Fu);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  // The line in which most words are that are known; what is not there may be behind it. Valid until the next store().
  struct ShortLines {
    ShortEntry* entries;
    size_t mask;
    ShortEntry* operator[](uint64_t hash) const { return entries + 2 * (hash & mask); }
  };
  ShortLines short_lines() const { return {short_.entries, short_.mask}; }
  const LongEntry* long_line(uint64_t hash) const { return long_.entries + (hash & long_.mask); }
  // nullptr: not known.
  const ShortEntry* find_short(uint64_t hash, const Key& key) const { return short_.find(hash, key); }
  const LongEntry* find_long(uint64_t hash, const Key& key) const { return long_.find(hash, key); }

  bool narrow() const { return narrow_; }
  // Words with more ids than fit are not kept. Entries are overwritten by later words (bounded memory).
  void store(uint64_t hash, const Key& key, const int32_t* ids, size_t count);

  // The calling thread's cache for the tokenizer with this serial number (never reused). Two are kept, for a pair of
  // tokenizers in turn.
  static WordCache& of_this_thread(uint64_t serial, bool narrow);
  static uint64_t next_serial();

 private:
  static const std::array<std::array<uint64_t, 2>, 17> kMasks;  // the first n bytes of fifteen
  // A line has one entry or more. A word is in the first free entry from its line on, within few lines.
  template <class Entry>
  struct Table {
    static constexpr size_t kOfLine = 64 / sizeof(Entry), kLines = 4;
    Entry* entries = nullptr;
    size_t mask = 0;    // of lines
    size_t stored = 0;  // entries
    bool may_grow = true;

    Entry& at(uint64_t hash, size_t k) const { return entries[((hash & mask) * kOfLine + k) & (size() - 1)]; }
    size_t size() const { return (mask + 1) * kOfLine; }
    const Entry* find(uint64_t hash, const Key& key) const {
      for (size_t k = 0; k < kLines * kOfLine && !at(hash, k).empty(); ++k)
        if (at(hash, k).holds(key)) return &at(hash, k);
      return nullptr;
    }
    Entry* place(uint64_t hash, const Key& key);  // for a new word; nullptr: it is known
    void grow(size_t most_lines);
  };
  template <class Entry>
  void write(Entry& entry, const int32_t* ids, size_t count) const;

  Table<ShortEntry> short_;
  Table<LongEntry> long_;
  bool narrow_;
};

}  // namespace plumb::data
