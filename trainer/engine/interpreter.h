// Runs an action list: the short loop behind every kind of step.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "trainer/engine/model_state.h"
#include "trainer/model/tape.h"
#include "trainer/model/transformer.h"

namespace plumb::engine {

// What one run works on. Micro-batches of the list beyond `batches` are dry: their collectives run, nothing else.
struct Work {
  std::span<const DeviceBatch> batches;
  const Objective* objective = nullptr;  // null: forward only
  double total = 1;                      // the global normaliser
  bool adapters = true;
  std::optional<int64_t> vocabulary;  // forward only: as in StageContext
  uint64_t seed = 0;                  // of dropout
};

struct WorkResult {
  double loss = 0;                  // of this rank's micro-batches, per normaliser unit
  std::vector<at::Tensor> logprob;  // forward only: fp32 [T] of each batch
};

class Interpreter {
 public:
  Interpreter(const model::Transformer& model, ModelState& state, Recompute recompute, std::vector<bool> trainable);
  WorkResult run(const std::vector<Action>& actions, const Work& work);

 private:
  using Key = std::pair<int, int>;  // stage, micro-batch
  struct Tape {
    model::Carry in, out;  // leaves, and what the stage made of them
  };

  void forward(int stage, int m);
  void recompute(int stage, int m);
  void backward(int stage, int m);
  Tape record(int stage, int m, const model::Carry& in);
  void finish_head(int m, const at::Tensor& logprob);
  model::StageContext context(int stage, int m);
  void wait_weights(int stage);
  void prepare_gradients(int stage);
  bool learns(int stage) const { return work_->objective != nullptr && stage >= first_trainable_; }

  const model::Transformer& model_;
  ModelState& state_;
  Recompute recompute_;
  int first_trainable_ = 0, head_ = 0;
  at::Tensor anchor_;
  model::ImmediateSink immediate_;
  bool defers_ = false;

  const Work* work_ = nullptr;
  WorkResult result_;
  std::map<Key, Tape> tapes_;
  std::map<Key, model::Carry> carries_;    // inputs of stages that are still needed
  std::map<Key, model::Carry> gradients_;  // of the outputs of stage - 1, that is of carries_
  std::map<Key, model::DeferredSink> deferred_;
};

}  // namespace plumb::engine
