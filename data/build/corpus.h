// The documents of some sources as they will be trained on - read, cleaned, deduplicated -, before any tokenizer: in a
// folder of the cache named by their content, shared by every dataset that is made of them.
#pragma once

#include <functional>
#include <optional>

#include "data/build/counts.h"
#include "data/build/plan.h"
#include "data/build/stored.h"
#include "data/dedup/deduplicator.h"
#include "data/dedup/substring.h"

namespace plumb::data {

class Corpus {
 public:
  // Builds what is missing. Every process of request.crew calls it and gets the same.
  static Corpus build(const BuildRequest& request, const std::filesystem::path& cache, Meter& meter);

  const std::string& key() const { return key_; }  // of everything that decides the documents
  const nlohmann::ordered_json& identity() const { return identity_; }
  const nlohmann::ordered_json& contamination() const { return contamination_; }  // what was looked for, by set
  const Plan& plan() const { return plan_; }

  struct Chunk {
    size_t unit = 0, number = 0;
    uint16_t source = 0;
  };
  const std::vector<Chunk>& chunks() const { return chunks_; }
  ReadCounts counts(size_t chunk) const;
  std::vector<nlohmann::ordered_json> contaminated(size_t chunk) const;  // ContaminatedDocument's; of many the largest
  // Until `take` gives false: the malformed rows of a chunk as lines of quarantine.jsonl, and the documents that fell
  // to a rule when they were read as lines of dropped.jsonl.
  void malformed(size_t chunk, const std::function<bool(const std::string& line)>& take) const;
  void dropped(size_t chunk, const std::function<bool(const std::string& line)>& take) const;

  enum class Fate { kept, exact, near, repeated };  // repeated: nothing is left beside passages that stood before
  // Every stored document of a chunk in order. Of copies only file and line are known.
  void visit(size_t chunk, const std::function<void(StoredDocument&&, Fate)>& take) const;
  // For each copy in a chunk, in order, where the document stands that is kept in its place.
  std::vector<StoredPlace> kept_instead(size_t chunk) const;
  // "file:line" of stored documents of a chunk, by their number in it.
  void name_places(size_t chunk, std::map<size_t, std::string>& documents) const;
  int64_t survivors() const { return survivors_; }  // before `repeated` is known
  std::optional<DedupReport> duplicates() const;
  std::optional<SubstringCounts> repeated_passages() const;

 private:
  Corpus() = default;
  void read(const BuildRequest& request, Meter& meter);
  template <typename Read>
  auto from_counts(size_t chunk, const Read& read) const;  // what was counted of it
  void list_chunks();
  void find_duplicates(const BuildRequest& request, Meter& meter);
  void find_repeated_passages(const BuildRequest& request, Meter& meter);

  std::filesystem::path folder_;
  std::string key_;
  nlohmann::ordered_json identity_, contamination_;
  Plan plan_;
  std::vector<Chunk> chunks_;
  int64_t survivors_ = 0;
  std::shared_ptr<Deduplicator> duplicates_;
  std::shared_ptr<SubstringDeduplicator> passages_;
};

}  // namespace plumb::data
