// `data.dedup`: documents and passages that stand in the corpus twice. Off by default.
#pragma once

#include <cstdint>
#include <optional>

#include "core/config/decontaminate.h"

namespace plumb::config {

struct DedupSection {
  bool exact = false;
  bool minhash = false;
  int64_t ngram = 5, buckets = 14, rows = 8;  // of minhash
  double verify = 0;                          // least estimated Jaccard of a pair that shares a bucket; 0: any
  std::optional<int64_t> substring;           // bytes of a repeated passage; nullopt: `none`
  std::optional<int64_t> memory;              // bytes; nullopt: `auto`
  bool active() const { return exact || minhash || substring.has_value(); }
};

}  // namespace plumb::config
