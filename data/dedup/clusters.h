// Clusters of duplicates: union-find over all documents, and the files that say what became of each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/dedup/band_pass.h"
#include "data/dedup/deduplicator.h"

namespace plumb::data {

// 8 bytes and a bit for each document. The root of a set is its first document, whatever the order of the pairs.
class Clusters {
 public:
  explicit Clusters(uint64_t documents);
  void join(uint64_t earlier, uint64_t later, bool exact);
  void settle();  // after all pairs: every document points at its root
  uint64_t documents() const { return parent_.size(); }
  uint64_t survivor(uint64_t document) const { return parent_[document]; }  // after settle()
  Verdict verdict(uint64_t document) const;

 private:
  uint64_t root(uint64_t document);
  std::vector<uint64_t> parent_;
  std::vector<bool> exact_;  // an earlier document has the same text
};

struct ClusterFiles {
  const DedupInput* input = nullptr;
  std::filesystem::path folder;
  DedupReport write(const Clusters&, uint64_t memory, const DedupProgress&) const;
  std::vector<Verdict> verdicts(int64_t unit) const;
  std::vector<DocumentPlace> survivors(int64_t unit) const;
  void each_duplicate(const std::function<void(DocumentPlace, DocumentPlace, Verdict)>&) const;

 private:
  std::filesystem::path verdict_file(int64_t unit) const;
  std::filesystem::path survivor_file(int64_t unit) const;
  void check(int64_t unit) const;
  uint64_t unit_identity(int64_t unit) const;
  DocumentPlace place(uint64_t document) const;
};

}  // namespace plumb::data
