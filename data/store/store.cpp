#include "data/store/store.h"

#include <mutex>

#include "data/store/cache.h"

namespace plumb::data {

namespace {

std::mutex settings_mutex;
StoreCache& settings() {
  static StoreCache cache;
  return cache;
}

}  // namespace

void set_store_cache(StoreCache cache) {
  const std::lock_guard lock(settings_mutex);
  settings() = std::move(cache);
}

StoreCache store_cache() {
  const std::lock_guard lock(settings_mutex);
  return settings();
}

std::string StoreEntry::version() const { return etag + " " + std::to_string(bytes); }

LocalFile Store::local(const StoreEntry& entry) { return ObjectCache(store_cache()).get(*this, entry); }

LocalFile local_file(const std::string& path) {
  return is_remote(path) ? Store::of(path)->local(path) : LocalFile(path);
}

}  // namespace plumb::data
