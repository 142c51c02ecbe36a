// One pass over all fingerprints: which documents have equal exact hashes, or equal keys in one bucket.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/dedup/fingerprint.h"

namespace plumb::data {

// All documents of all units, numbered through.
struct DedupInput {
  const Fingerprinter* fingerprinter = nullptr;
  std::vector<std::filesystem::path> files;
  std::vector<uint64_t> first;  // number of each unit's first document, and of all documents behind the last unit
  uint64_t identity = 0;        // of the contents of all files
  uint64_t documents() const { return first.back(); }
  size_t unit_of(uint64_t document) const;
};

struct BandPass {
  const DedupInput* input = nullptr;
  int64_t band = -1;  // -1: exact hashes
  double verify = 0;
  uint64_t memory = 0;
  std::filesystem::path folder;  // of scratch files
  std::filesystem::path out;
  const std::atomic<bool>* stop = nullptr;  // set by another thread's failure
  // Writes pairs (earlier, later document) to `out`; its note is the number of documents without a key.
  void run() const;
};

// Jaccard similarity estimated from 8 bits of each minimum: unequal minima agree in them once in 256.
double estimated_similarity(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b);

}  // namespace plumb::data
