// Log-likelihoods of many token sequences, packed into batches of the engine's shape and spread over the data ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "parallel/communicator.h"
#include "trainer/engine/engine.h"

namespace plumb::evaluate {

// weight[i] is the weight of predicting ids[i] from those before it; weight[0] is never used.
struct Sequence {
  std::vector<int32_t> ids;
  std::vector<float> weight;
};

// A stretch of a sequence in one row: inputs ids[begin .. begin + count), labels one further.
struct Window {
  size_t sequence = 0;
  int64_t begin = 0, count = 0;
};
struct PlannedBatch {
  std::vector<std::vector<Window>> rows;
};

// A sequence of more than `length` inputs becomes windows of `length`: every token but the first is predicted once.
// Windows are put into the first row with room, in order. The plan depends on nothing but its arguments, so that the
// scores are the same on any number of ranks.
std::vector<PlannedBatch> plan_batches(const std::vector<Sequence>&, int64_t rows, int64_t length);
data::Batch make_batch(const PlannedBatch&, const std::vector<Sequence>&, int64_t rows, int64_t length);

// Sum over i of weight[i] * log p(ids[i] | ids before), natural logarithm, for each sequence. Collective.
std::vector<double> log_likelihoods(engine::Engine&, parallel::Communicator& ranks, const std::vector<Sequence>&);

}  // namespace plumb::evaluate
