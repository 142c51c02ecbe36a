#include "data/build/clusters_json.h"

#include <map>

namespace plumb::data {

nlohmann::ordered_json largest_clusters(const Corpus& corpus) {
  using json = nlohmann::ordered_json;
  json list = json::array();
  const auto report = corpus.duplicates();
  if (!report) return list;
  // Chunk -> documents to be named, so that each file of documents is gone through once.
  std::map<size_t, std::map<size_t, std::string>> places;
  const auto wanted = [&](const DocumentPlace& place) -> std::string& {
    return places[static_cast<size_t>(place.unit)][static_cast<size_t>(place.index)];
  };
  for (const auto& cluster : report->largest) {
    wanted(cluster.survivor);
    for (const auto& member : cluster.members) wanted(member);
  }
  for (auto& [chunk, documents] : places) corpus.name_places(chunk, documents);
  for (const auto& cluster : report->largest) {
    json dropped = json::array();
    for (const auto& member : cluster.members) dropped.push_back(wanted(member));
    list.push_back({{"size", cluster.size}, {"kept", wanted(cluster.survivor)}, {"dropped", std::move(dropped)}});
  }
  return list;
}

}  // namespace plumb::data
