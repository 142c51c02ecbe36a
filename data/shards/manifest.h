// manifest.json of a dataset folder: written last, checked before anything else is believed.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/shards/hashed_file.h"

namespace plumb::data {

struct PartCounts {  // counts of one part; a part without documents is not listed
  uint64_t number = 0, documents = 0, tokens = 0, rows = 0, spans = 0;
};

struct Manifest {
  std::string digest, tokenizer_digest, packing;
  int64_t sequence_length = 0, vocab_size = 0;
  uint64_t documents = 0, tokens = 0, rows = 0;
  uint32_t token_bytes = 0;
  bool weights = false;
  std::vector<std::string> sources;  // names
  BuildReport report;
  std::vector<PartCounts> parts;
  struct File {
    std::string name, root;
    uint64_t bytes = 0;
  };
  std::vector<File> files;  // in the order of blocks.bin
  std::string blocks_sha256;
};

// `named`: how the file is called in messages.
Manifest read_manifest(const std::filesystem::path& file, const std::filesystem::path& named);
// Writes blocks.bin and manifest.json (last). `content` holds everything but parts, totals and files; gives the digest.
std::string write_manifest(const std::filesystem::path& folder, nlohmann::ordered_json content,
                           const std::vector<PartCounts>& parts, const std::vector<HashedFile>& files);

}  // namespace plumb::data
