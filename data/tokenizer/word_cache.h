// Ids of the short words a thread met before; text repeats its words, so this is where most of the speed comes from.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace plumb::data {

class WordCache {
 public:
  static constexpr size_t kLongestWord = 22, kMostIds = 10;

  struct Key {
    uint64_t a = 0, b = 0, c = 0;  // the bytes; the length stands in bits 48-55 of c, the number of ids above it
  };
  struct alignas(64) Entry {
    Key key;
    int32_t ids[kMostIds];
    uint64_t count() const { return key.c >> 56; }
  };

  WordCache() : entries_(new Entry[kEntries]()) {}

  // `readable`: bytes that may be read from word.data() on (the word may be followed by more text).
  static Key key(std::string_view word, size_t readable) {
    uint64_t parts[3] = {0, 0, 0};
    if (readable >= sizeof parts) {
      std::memcpy(parts, word.data(), sizeof parts);
      const size_t n = word.size();
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
      std::memcpy(parts, word.data(), word.size());
    }
    return {parts[0], parts[1], parts[2] | static_cast<uint64_t>(word.size()) << 48};
  }
  // Where the word is or would be; entries are overwritten by later words (bounded memory).
  Entry& slot(const Key& key) { return entries_[hash(key)]; }
  static bool holds(const Entry& entry, const Key& key) {
    return entry.key.a == key.a && entry.key.b == key.b && (entry.key.c & kKeyBits) == key.c;
  }
  static void store(Entry& entry, const Key& key, const int32_t* ids, size_t count) {
    entry.key = {key.a, key.b, key.c | static_cast<uint64_t>(count) << 56};
    std::memcpy(entry.ids, ids, count * sizeof(int32_t));
  }

 private:
  static constexpr size_t kEntries = size_t{1} << 16;  // 4 MiB
  static constexpr uint64_t kKeyBits = (uint64_t{1} << 56) - 1;
  static uint64_t mask(size_t bytes) { return (uint64_t{1} << (8 * bytes)) - 1; }  // bytes < 8, little endian
  static size_t hash(const Key& key) {
    uint64_t h = (key.a ^ 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ key.b) * 0xD6E8FEB86659FD93u;
    h = (h ^ h >> 32 ^ key.c) * 0xD6E8FEB86659FD93u;
    return static_cast<size_t>(h >> 40) & (kEntries - 1);
  }
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace plumb::data
