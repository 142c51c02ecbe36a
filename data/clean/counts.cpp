#include <fmt/format.h>

#include "core/error.h"
#include "data/clean/cleaner.h"

namespace plumb::data {
namespace {

using Map = std::map<std::string, int64_t>;

void add(Map& to, const Map& from) {
  for (const auto& [name, count] : from) to[name] += count;
}

Map read(const nlohmann::ordered_json& json, const char* key) {
  const auto part = json.find(key);
  if (part == json.end() || !part->is_object()) fail_input("clean", fmt::format("expected a map {}, found none", key));
  Map counts;
  for (const auto& [name, count] : part->items()) {
    if (!count.is_number_integer() || count < 0)
      fail_input(fmt::format("clean.{}.{}", key, name), "expected a count, found " + count.dump());
    counts[name] = count.get<int64_t>();
  }
  return counts;
}

}  // namespace

CleanCounts& CleanCounts::operator+=(const CleanCounts& other) {
  add(repairs, other.repairs);
  add(lines_removed, other.lines_removed);
  add(dropped, other.dropped);
  add(languages, other.languages);
  return *this;
}

nlohmann::ordered_json CleanCounts::json() const {
  return {{"repairs", repairs}, {"lines_removed", lines_removed}, {"dropped", dropped}, {"languages", languages}};
}

CleanCounts CleanCounts::from_json(const nlohmann::ordered_json& json) {
  if (!json.is_object()) fail_input("clean", "expected a map of counts, found " + std::string(json.type_name()));
  CleanCounts counts;
  counts.repairs = read(json, "repairs");
  counts.lines_removed = read(json, "lines_removed");
  counts.dropped = read(json, "dropped");
  counts.languages = read(json, "languages");
  return counts;
}

}  // namespace plumb::data
