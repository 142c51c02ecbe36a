// How long a run is, when things fall due in it, and which rows each rank feeds.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/config/config.h"
#include "data/loader.h"

namespace plumb::run {

struct Length {
  int64_t steps = 0;
  int64_t rows_per_step = 0;  // train.global_batch_size
  int64_t tokens_per_step = 0;
  double rows_per_epoch = 0;  // 0 when unknown
  double epochs() const { return rows_per_epoch > 0 ? steps * static_cast<double>(rows_per_step) / rows_per_epoch : 0; }
};
// From a step on, so many sequences a step.
struct BatchSize {
  int64_t from_step = 0;  // steps completed before
  int64_t rows = 0;
};
// Tokens and epochs become steps, rounded up, after packing.
Length resolve_length(const config::TrainSection&, int64_t sequence_length, double rows_per_epoch);

// One interval of logging, evaluation or saving; each knows nothing of the others.
class Cadence {
 public:
  Cadence(config::Interval interval, const Length& length);
  bool timed() const { return interval_.unit == config::Interval::Unit::seconds; }
  bool off() const { return interval_.unit == config::Interval::Unit::none; }
  // `done`: steps completed, counted from 1. Never for timed ones.
  bool due(int64_t done) const;
  // Timed ones: true at most once an interval, counted from construction or the last true.
  bool due_by_clock(double seconds_since_start);

 private:
  config::Interval interval_;
  double steps_each_ = 0;  // fractional for tokens and epochs
  double last_ = 0;
};

// Rows [first, first + count) of the step's global batch that data rank `rank` of `ranks` feeds: spread evenly, ranks
// differ by at most one.
std::pair<int64_t, int64_t> rank_rows(int64_t global_rows, int rank, int ranks);
// Sizes of the micro-batches that make up `rows`.
std::vector<int64_t> micro_batches(int64_t rows, int64_t micro_batch_size);
// Both together: what a data rank reads of the step whose global batch begins with sequence `first` of the run.
data::Slice rank_slice(uint64_t first, int64_t global_rows, int rank, int ranks, int64_t micro_batch_size);

}  // namespace plumb::run
