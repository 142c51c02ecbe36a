// Which documents are duplicates, from the fingerprint files of all units, in bounded memory and through files.
// The survivor of a cluster is its first document in (unit, index) order. The verdicts are a function of the
// fingerprints alone: threads, parts and memory change nothing. fingerprint.h shows a whole build.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/config/dedup.h"

namespace plumb::data {

enum class Verdict : uint8_t {
  keep = 0,
  exact = 1,  // an earlier document has the same text
  near = 2,   // connected to an earlier document by shared buckets
};

struct DocumentPlace {
  int64_t unit = 0, index = 0;  // index among the documents added to the unit's fingerprint file
  bool operator==(const DocumentPlace&) const = default;
};

struct DedupReport {
  int64_t documents = 0, kept = 0, exact = 0, near = 0;  // documents = kept + exact + near
  int64_t clusters = 0;                                  // of two documents or more
  int64_t no_words = 0;                                  // documents that MinHash cannot compare
  std::map<int64_t, int64_t> sizes;                      // cluster size, cut down to a power of two -> clusters
  struct Cluster {
    int64_t size = 0;
    DocumentPlace survivor;
    std::vector<DocumentPlace> members;  // the first few of the dropped
  };
  std::vector<Cluster> largest;  // at most 20, largest first, then by the survivor's place
  nlohmann::ordered_json json() const;
  static DedupReport from_json(const nlohmann::ordered_json&);
};

using DedupProgress = std::function<void(double share, const std::string& what)>;

class Deduplicator {
 public:
  struct Plan {
    std::vector<std::filesystem::path> fingerprints;  // of all units, in unit order
    std::filesystem::path folder;                     // exists; shared by all parts
    int part = 0, parts = 1, threads = 1;
  };
  Deduplicator(const config::DedupSection&, Plan);
  ~Deduplicator();
  // This part's passes (number p where p % parts == part): exact hashes, then one a bucket. Writes
  // dedup-pass-P.edges; one that is there already and fits is kept. Throws what any of the threads met.
  void passes(const DedupProgress& = {});
  bool passes_done() const;  // the files of all parts exist
  // Part 0, after all passes: clusters by union-find (8 bytes a document), dedup-verdicts-U and dedup-survivors-U of
  // every unit, dedup-clusters, and dedup.json last. Does nothing when finished() already.
  DedupReport finish(const DedupProgress& = {});
  bool finished() const;
  DedupReport report() const;                         // after finish, in any part
  std::vector<Verdict> verdicts(int64_t unit) const;  // after finish, in any part
  // For each document of the unit that is not kept, in order, the one that stays for its cluster.
  std::vector<DocumentPlace> survivors(int64_t unit) const;
  // dedup-clusters in order: f(survivor, dropped, verdict), sorted by survivor, then by the dropped document.
  void each_duplicate(const std::function<void(DocumentPlace survivor, DocumentPlace dropped, Verdict)>&) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
