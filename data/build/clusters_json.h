// The largest clusters of duplicates with the places of their documents, for people who look at what was dropped.
#pragma once

#include "data/build/corpus.h"

namespace plumb::data {

// A list of {size, kept: "file:line", dropped: ["file:line", ...]}, largest first; of the dropped only the first few.
nlohmann::ordered_json largest_clusters(const Corpus& corpus);

}  // namespace plumb::data
