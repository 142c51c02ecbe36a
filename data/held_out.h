// Which documents are held out for validation: by the hash of their content, so that a document stays on its side
// whatever else the sources hold, and its copies stay with it.
#pragma once

#include <set>

#include "data/dataset.h"

namespace plumb::data {

class HeldOut {
 public:
  // Reads up to kFewDocuments documents to see whether the sources have that many.
  explicit HeldOut(const BuildRequest&);

  // False: the record belongs to the other part. In a corpus of fewer than kFewDocuments texts, where hashes could
  // leave a part empty, every document is cut instead: its tail is held out, and `record.text` becomes the part's.
  bool belongs(Record& record, bool& cut) const;
  std::string rule() const;  // BuildReport::held_out_by

  static constexpr int kFewDocuments = 20;

 private:
  enum class Rule { none, hash, rank, tail } rule_ = Rule::none;
  double share_;
  bool validation_;
  std::set<uint64_t> chosen_;  // rank
};

}  // namespace plumb::data
