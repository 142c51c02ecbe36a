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
constexpr size_t kLineBytes = 64;
constexpr size_t kHugePage = size_t{2} << 20;
std::atomic<size_t> bytes_of_process{0};

// Zeroed pages, huge ones where the system gives them: entries lie anywhere, and each small page would be a TLB miss.
// One line more than asked for, because readers take more ids than an entry has.
template <class Entry>
Entry* map_lines(size_t count) {
  const size_t bytes = (count + 1) * kLineBytes;
  void* memory = std::aligned_alloc(bytes >= kHugePage ? kHugePage : 4096, bytes);
  if (!memory) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  bytes_of_process += bytes;
  return static_cast<Entry*>(memory);
}

void free_lines(void* lines, size_t count) {
  std::free(lines);
  bytes_of_process -= (count + 1) * kLineBytes;
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
  short_.entries = map_lines<ShortEntry>(kFirstLines);
  long_.entries = map_lines<LongEntry>(kFirstLines);
  short_.mask = long_.mask = kFirstLines - 1;
}

WordCache::~WordCache() {
  free_lines(short_.entries, short_.mask + 1);
  free_lines(long_.entries, long_.mask + 1);
}

template <class Entry>
Entry* WordCache::Table<Entry>::place(uint64_t hash, const Key& key) {
  const bool full = stored >= size() / 8 * 5;  // searches for what is not there end at a free entry
  for (size_t k = 0; k < kLines * kOfLine; ++k) {
    Entry& entry = at(hash, k);
    if (entry.holds(key)) return nullptr;
    if (!entry.empty()) continue;
    if (full) break;
    ++stored;
    return &entry;
  }
  // The older one of the line goes.
  for (size_t k = kOfLine - 1; k > 0; --k) at(hash, k) = at(hash, k - 1);
  return &at(hash, 0);
}

// Many words for the table's size: a larger one finds them in their own lines.
template <class Entry>
void WordCache::Table<Entry>::grow(size_t most_lines) {
  const size_t lines = (mask + 1) * 2;
  may_grow = may_grow && lines <= most_lines && bytes_of_process + lines * kLineBytes <= kMostBytesOfProcess;
  if (!may_grow) return;
  const Table before = *this;
  entries = map_lines<Entry>(lines);
  mask = lines - 1;
  stored = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const Entry& entry = before.entries[i];
    if (!entry.empty()) *place(WordCache::hash(entry.key()), entry.key()) = entry;
  }
  free_lines(before.entries, before.mask + 1);
}

template <class Entry>
void WordCache::write(Entry& entry, const int32_t* ids, size_t count) const {
  if (narrow_)
    std::transform(ids, ids + count, entry.narrow, [](int32_t id) { return static_cast<uint16_t>(id); });
  else
    std::copy(ids, ids + count, entry.wide);
}

void WordCache::store(uint64_t hash, const Key& key, const int32_t* ids, size_t count) {
  if (key.c != 0) {
    if (count > (narrow_ ? 20u : 10u)) return;
    if (long_.stored > long_.size() / 2) long_.grow(kMostLongLines);
    LongEntry* const entry = long_.place(hash, key);
    if (!entry) return;
    entry->a = key.a;
    entry->b = key.b;
    entry->c = key.c | static_cast<uint64_t>(count) << 56;
    write(*entry, ids, count);
  } else {
    if (count > (narrow_ ? 8u : 4u)) return;
    if (short_.stored > short_.size() / 4) short_.grow(kMostShortLines);
    ShortEntry* const entry = short_.place(hash, key);
    if (!entry) return;
    entry->a = key.a;
    entry->b = key.b | static_cast<uint64_t>(count) << 60;
    write(*entry, ids, count);
  }
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
