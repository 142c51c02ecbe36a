// The counts of deduplication as JSON; declared in deduplicator.h.
#include "core/error.h"
#include "data/dedup/deduplicator.h"

namespace plumb::data {
namespace {

using nlohmann::ordered_json;

ordered_json place_json(const DocumentPlace& place) { return ordered_json::array({place.unit, place.index}); }

DocumentPlace place_from(const ordered_json& json) { return {json.at(0).get<int64_t>(), json.at(1).get<int64_t>()}; }

}  // namespace

ordered_json DedupReport::json() const {
  ordered_json json = {{"documents", documents}, {"kept", kept},         {"exact", exact},
                       {"near", near},           {"no_words", no_words}, {"clusters", clusters}};
  json["sizes"] = ordered_json::object();
  for (const auto& [size, count] : sizes) json["sizes"][std::to_string(size)] = count;
  json["largest"] = ordered_json::array();
  for (const auto& cluster : largest) {
    ordered_json members = ordered_json::array();
    for (const auto& member : cluster.members) members.push_back(place_json(member));
    json["largest"].push_back(
        {{"size", cluster.size}, {"survivor", place_json(cluster.survivor)}, {"members", std::move(members)}});
  }
  return json;
}

DedupReport DedupReport::from_json(const ordered_json& json) {
  DedupReport report;
  try {
    for (const auto& [name, field] : {std::pair{"documents", &report.documents},
                                      {"kept", &report.kept},
                                      {"exact", &report.exact},
                                      {"near", &report.near},
                                      {"no_words", &report.no_words},
                                      {"clusters", &report.clusters}})
      *field = json.at(name).get<int64_t>();
    for (const auto& [size, count] : json.at("sizes").items()) report.sizes[std::stoll(size)] = count.get<int64_t>();
    for (const auto& cluster : json.at("largest")) {
      auto& to = report.largest.emplace_back();
      to.size = cluster.at("size").get<int64_t>();
      to.survivor = place_from(cluster.at("survivor"));
      for (const auto& member : cluster.at("members")) to.members.push_back(place_from(member));
    }
  } catch (const std::exception& error) {
    fail_input("dedup.json", std::string("expected the counts of deduplication: ") + error.what(),
               "remove the file; the build makes it again");
  }
  return report;
}

}  // namespace plumb::data
