// The last action of a step: norm over shards, clipping, AdamW on what this rank owns.
#pragma once

#include <vector>

#include "trainer/engine/model_state.h"
#include "trainer/ops/adamw.h"

namespace plumb::engine {

class Optimizer {
 public:
  Optimizer(const EngineOptions& options, ModelState& state, at::Device device);

  // Sum of squares of the whole gradient and the loss, both summed over ranks (fp64). Collective.
  struct Totals {
    double norm = 0, loss = 0;
  };
  Totals totals(double local_loss);
  // One update; afterwards the weights are whole again where they are not cut.
  void update(double learning_rate, double norm);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  const EngineOptions& options_;
  ModelState& state_;
  at::Tensor step_values_;                          // [groups, 4], fixed address
  std::vector<std::vector<ops::DecaySpan>> decay_;  // per bucket, relative to what this rank owns
  int64_t steps_ = 0;                               // updates so far
};

}  // namespace plumb::engine
