// What was found, as numbers that add up over units and stand in the report.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/decontaminate/contamination.h"

namespace plumb::data {
namespace {

using nlohmann::ordered_json;

// Numbers of items as [first, last, first, last, ...].
ordered_json ranges(const std::set<uint32_t>& numbers) {
  ordered_json list = ordered_json::array();
  uint32_t last = 0;
  for (const uint32_t number : numbers) {
    if (!list.empty() && number == last + 1) {
      list.back() = number;
    } else {
      list.push_back(number);
      list.push_back(number);
    }
    last = number;
  }
  return list;
}

std::set<uint32_t> numbers_of(const ordered_json& list) {
  std::set<uint32_t> numbers;
  if (list.size() % 2 != 0) fail_input("contamination counts", "expected pairs of numbers");
  for (size_t i = 0; i < list.size(); i += 2) {
    const auto first = list[i].get<uint32_t>(), last = list[i + 1].get<uint32_t>();
    for (uint64_t number = first; number <= last; ++number)
      numbers.insert(numbers.end(), static_cast<uint32_t>(number));
  }
  return numbers;
}

}  // namespace

ordered_json ContaminatedDocument::json() const {
  ordered_json object = {
      {"where", where}, {"source", source}, {"outcome", outcome}, {"spans", spans}, {"ngrams", ngrams}};
  object["largest"] = ordered_json::array();
  for (const auto& [set, hit] : places) {
    object["largest"].push_back({{"set", set},
                                 {"item", hit.item},
                                 {"begin", hit.begin},
                                 {"end", hit.end},
                                 {"ngrams", hit.ngrams},
                                 {"share", std::round(static_cast<double>(hit.share) * 1000) / 1000}});
  }
  return object;
}

void keep_largest(std::vector<ordered_json>& documents, size_t most) {
  if (documents.size() <= most) return;
  std::vector<std::pair<int64_t, size_t>> order;  // most n-grams first, then the earlier one
  for (size_t i = 0; i < documents.size(); ++i) order.emplace_back(-documents[i].value("ngrams", int64_t{0}), i);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most), order.end());
  order.resize(most);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  std::vector<ordered_json> kept;
  for (const auto& [ngrams, i] : order) kept.push_back(std::move(documents[i]));
  documents = std::move(kept);
}

ContaminationCounts& ContaminationCounts::operator+=(const ContaminationCounts& other) {
  reported += other.reported;
  masked += other.masked;
  dropped += other.dropped;
  spans += other.spans;
  bytes_removed += other.bytes_removed;
  for (const auto& [set, sources] : other.items)
    for (const auto& [source, numbers] : sources) items[set][source].insert(numbers.begin(), numbers.end());
  return *this;
}

ordered_json ContaminationCounts::json() const {
  ordered_json json = {{"documents_reported", reported},
                       {"documents_masked", masked},
                       {"documents_dropped", dropped},
                       {"spans", spans},
                       {"bytes_removed", bytes_removed}};
  json["sets"] = ordered_json::object();
  for (const auto& [set, sources] : items) {
    std::set<uint32_t> all;
    for (const auto& [source, numbers] : sources) all.insert(numbers.begin(), numbers.end());
    auto& entry = json["sets"][set];
    entry["contaminated_items"] = all.size();
    entry["by_source"] = ordered_json::object();
    for (const auto& [source, numbers] : sources)
      entry["by_source"][source] = {{"contaminated_items", numbers.size()}, {"items", ranges(numbers)}};
  }
  return json;
}

ContaminationCounts ContaminationCounts::from_json(const ordered_json& json) {
  ContaminationCounts counts;
  counts.reported = json.at("documents_reported").get<int64_t>();
  counts.masked = json.at("documents_masked").get<int64_t>();
  counts.dropped = json.at("documents_dropped").get<int64_t>();
  counts.spans = json.at("spans").get<int64_t>();
  counts.bytes_removed = json.at("bytes_removed").get<int64_t>();
  for (const auto& [set, entry] : json.at("sets").items())
    for (const auto& [source, found] : entry.at("by_source").items())
      counts.items[set][source] = numbers_of(found.at("items"));
  return counts;
}

}  // namespace plumb::data
