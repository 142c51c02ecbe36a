#include "data/tokenizer/word_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace plumb::data {

namespace {

constexpr size_t kFirstEntries = size_t{1} << 14;          // 1 MiB
constexpr size_t kMostEntries = size_t{1} << 19;           // 32 MiB
constexpr size_t kMostBytesOfProcess = size_t{256} << 20;  // of all threads' caches together; each may have its first
constexpr size_t kHugePage = size_t{2} << 20;
std::atomic<size_t> bytes_of_process{0};

// Zeroed pages, huge ones where the system gives them: entries lie anywhere, and each small page would be a TLB miss.
WordCache::Entry* map_entries(size_t count) {
  const size_t bytes = count * sizeof(WordCache::Entry);
  void* memory = std::aligned_alloc(bytes >= kHugePage ? kHugePage : 4096, bytes);
  if (!memory) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  bytes_of_process += bytes;
  return static_cast<WordCache::Entry*>(memory);
}

void free_entries(WordCache::Entry* entries, size_t count) {
  std::free(entries);
  bytes_of_process -= count * sizeof(WordCache::Entry);
}

}  // namespace

WordCache::WordCache(bool narrow) : entries_(map_entries(kFirstEntries)), mask_(kFirstEntries - 1), narrow_(narrow) {}

WordCache::~WordCache() { free_entries(entries_, mask_ + 1); }

void WordCache::store(uint64_t hash, const Key& key, const int32_t* ids, size_t count) {
  if (++stored_ > mask_ && may_grow_) grow();
  Entry& entry = slot(hash);
  entry.key = {key.a, key.b, key.c | static_cast<uint64_t>(count) << 56};
  if (narrow_)
    std::transform(ids, ids + count, entry.narrow, [](int32_t id) { return static_cast<uint16_t>(id); });
  else
    std::copy(ids, ids + count, entry.wide);
}

// As many new words as there are entries: more room keeps more of them.
void WordCache::grow() {
  const size_t entries = mask_ + 1, wanted = entries * 2;
  stored_ = 0;
  if (wanted > kMostEntries || bytes_of_process + wanted * sizeof(Entry) > kMostBytesOfProcess) {
    may_grow_ = false;
    return;
  }
  Entry* larger = map_entries(wanted);
  Entry* smaller = std::exchange(entries_, larger);
  mask_ = wanted - 1;
  for (size_t i = 0; i < entries; ++i) {
    Key key = smaller[i].key;
    if (key.c == 0) continue;
    key.c &= kKeyBits;
    slot(WordCache::hash(key)) = smaller[i];
  }
  free_entries(smaller, entries);
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
