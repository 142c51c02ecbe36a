// Parts to a dataset folder: the files about the whole, the manifest, the final name.
#pragma once

#include "data/build/token_phase.h"
#include "data/shards/manifest.h"

namespace plumb::data {

struct Assembled {
  BuildReport report;
  std::vector<PartCounts> parts;
  std::vector<HashedFile> files;
  std::vector<nlohmann::ordered_json> contaminated;  // ContaminatedDocument's
  nlohmann::ordered_json account;                    // report.json
};

// Adds up all parts. Error(bad_input) when nothing can be trained on.
Assembled assemble(const BuildRequest&, const Tokenizer&, const Corpus&, const TokenPhase&);

// Writes what is about the whole into `building`, takes away what is not listed, and gives the folder its final name.
// `identity`: everything that decides the bytes of the dataset.
void commit_dataset(const std::filesystem::path& building, const std::filesystem::path& final_name, Assembled&&,
                    const BuildRequest&, const Tokenizer&, const Corpus&, const TokenPhase&,
                    const nlohmann::ordered_json& identity);

}  // namespace plumb::data
