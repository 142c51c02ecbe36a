#include "data/tokenizer/word_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace plumb::data {

namespace {

constexpr size_t kFirstLines = size_t{1} << 13;            // 512 KiB
constexpr size_t kMostShortLines = size_t{1} << 20;        // 64 MiB, two million words
constexpr size_t kMostLongLines = size_t{1} << 20;         // 64 MiB, a million words
constexpr size_t kMostBytesOfProcess = size_t{256} << 20;  // of all threads' caches together; each may have its first
constexpr size_t kHugePage = size_t{2} << 20;
std::atomic<size_t> bytes_of_process{0};

// Zeroed pages, huge ones where the system gives them: entries lie anywhere, and each small page would be a TLB miss.
// One line more than asked for, because readers take more ids than an entry has.
template <class Line>
Line* map_lines(size_t count) {
  const size_t bytes = (count + 1) * sizeof(Line);
  void* memory = std::aligned_alloc(bytes >= kHugePage ? kHugePage : 4096, bytes);
  if (!memory) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  bytes_of_process += bytes;
  return static_cast<Line*>(memory);
}

template <class Line>
void free_lines(Line* lines, size_t count) {
  std::free(lines);
  bytes_of_process -= (count + 1) * sizeof(Line);
}

}  // namespace

const std::array<std::array<uint64_t, 2>, 17> WordCache::kMasks = [] {
  std::array<std::array<uint64_t, 2>, 17> masks{};
  for (size_t n = 0; n <= 16; ++n) {
    masks[n][0] = n >= 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * n) - 1;
    masks[n][1] = n > 8 ? (uint64_t{1} << 8 * (std::min<size_t>(n, 15) - 8)) - 1 : 0;
  }
  return masks;
}();

WordCache::WordCache(bool narrow) : narrow_(narrow) {
  short_.lines = map_lines<ShortPair>(kFirstLines);
  long_.lines = map_lines<LongEntry>(kFirstLines);
  short_.mask = long_.mask = kFirstLines - 1;
}

WordCache::~WordCache() {
  free_lines(short_.lines, short_.mask + 1);
  free_lines(long_.lines, long_.mask + 1);
}

template <class Entry>
void WordCache::write(Entry& entry, const int32_t* ids, size_t count) const {
  if (narrow_)
    std::transform(ids, ids + count, entry.narrow, [](int32_t id) { return static_cast<uint16_t>(id); });
  else
    std::copy(ids, ids + count, entry.wide);
}

void WordCache::store(uint64_t hash, const Key& key, const int32_t* ids, size_t count) {
  if (key.c != 0)
    store_long(hash, key, ids, count);
  else
    store_short(hash, key, ids, count);
}

void WordCache::store_short(uint64_t hash, const Key& key, const int32_t* ids, size_t count) {
  if (count > (narrow_ ? 8u : 4u)) return;
  if (++short_.stored > short_.mask / 2) {
    Table<ShortPair> before;
    if (grow(short_, before, kMostShortLines)) {
      for (size_t i = 0; i <= before.mask; ++i)
        for (size_t k = 2; k-- > 0;) {  // the newer one last
          const ShortEntry& entry = before.lines[i].entries[k];
          if (entry.b == 0) continue;
          auto& pair = short_lines()[WordCache::hash({entry.a, entry.b & ~ShortEntry::kCountBits, 0})].entries;
          pair[1] = pair[0];
          pair[0] = entry;
        }
      free_lines(before.lines, before.mask + 1);
    }
  }
  auto& pair = short_lines()[hash].entries;
  if (pair[0].differs(key.a, key.b) == 0) return;  // it was missed twice before it was known
  pair[1] = pair[0];
  pair[0].a = key.a;
  pair[0].b = key.b | static_cast<uint64_t>(count) << 60;
  write(pair[0], ids, count);
}

void WordCache::store_long(uint64_t hash, const Key& key, const int32_t* ids, size_t count) {
  if (count > (narrow_ ? 20u : 10u)) return;
  if (++long_.stored > long_.mask / 2) {
    Table<LongEntry> before;
    if (grow(long_, before, kMostLongLines)) {
      for (size_t i = 0; i <= before.mask; ++i) {
        const LongEntry& entry = before.lines[i];
        if (entry.c != 0) long_slot(WordCache::hash({entry.a, entry.b, entry.c & ~LongEntry::kCountBits})) = entry;
      }
      free_lines(before.lines, before.mask + 1);
    }
  }
  LongEntry& entry = long_slot(hash);
  entry.a = key.a;
  entry.b = key.b;
  entry.c = key.c | static_cast<uint64_t>(count) << 56;
  write(entry, ids, count);
}

// Many new words for the table's size: a larger one keeps more of them. The old lines are then the caller's.
template <class Line>
bool WordCache::grow(Table<Line>& table, Table<Line>& before, size_t most) {
  const size_t wanted = (table.mask + 1) * 2;
  table.stored = 0;
  table.may_grow = table.may_grow && wanted <= most && bytes_of_process + wanted * sizeof(Line) <= kMostBytesOfProcess;
  if (!table.may_grow) return false;
  Line* const larger = map_lines<Line>(wanted);
  before = table;
  table.lines = larger;
  table.mask = wanted - 1;
  return true;
}

WordCache& WordCache::of_this_thread(uint64_t serial, bool narrow) {
  struct Owned {
    uint64_t owner = 0;
    std::unique_ptr<WordCache> cache;
  };
  thread_local std::array<Owned, 2> caches;
  if (caches[0].owner == serial) return *caches[0].cache;
  std::swap(caches[0], caches[1]);
  if (caches[0].owner != serial) {
    caches[0].owner = 0;
    caches[0].cache = nullptr;
    caches[0].cache = std::make_unique<WordCache>(narrow);
    caches[0].owner = serial;
  }
  return *caches[0].cache;
}

uint64_t WordCache::next_serial() {
  static std::atomic<uint64_t> serial{1};
  return serial++;
}

}  // namespace plumb::data
