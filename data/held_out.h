// Which documents are held out for validation: by the hash of their final text, so that a document stays on its side
// whatever else the sources hold. Exact copies have the same hash; near copies may fall on both sides unless
// data.dedup.minhash removes them, which happens before.
#pragma once

#include <functional>
#include <set>

#include "data/dataset.h"

namespace plumb::data {

class HeldOut {
 public:
  static constexpr int64_t kFewDocuments = 20;
  using Visit = std::function<void(const std::function<void(const Record&)>&)>;

  // `documents`: how many there are; `visit` goes through them and is called only when they are few.
  HeldOut(double share, bool validation, bool texts_only, int64_t documents, const Visit& visit);

  // False: the record belongs to the other part. In a corpus of fewer than kFewDocuments texts, where hashes could
  // leave a part empty, every document is cut instead: its tail is held out, and `record.text` becomes the part's.
  bool belongs(Record& record, bool& cut) const;
  std::string rule() const;  // BuildReport::held_out_by

 private:
  enum class Rule { none, hash, rank, tail } rule_ = Rule::none;
  double share_;
  bool validation_;
  std::set<uint64_t> chosen_;  // rank
};

}  // namespace plumb::data
