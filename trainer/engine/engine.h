// One training step over a model sharded across ranks. The loop around it lives in run/.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "parallel/mesh.h"
#include "trainer/engine/actions.h"
#include "trainer/engine/objective.h"
#include "trainer/engine/precision.h"
#include "trainer/engine/state.h"
#include "trainer/model/inference.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::engine {

struct EngineOptions {
  model::ModelSpec spec;
  std::optional<model::LoraSpec> lora;
  std::optional<int64_t> new_rows;  // only the vocabulary from this row on is trained, and lora's adapters
  std::string precision = "fp32";   // fp32 bf16
  int zero = 0;
  Recompute recompute = Recompute::none;
  int64_t micro_batch_size = 1, sequence_length = 0;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
  std::optional<double> clip_grad_norm = 1.0;
  uint64_t seed = 42;
  bool optimizer = true;                  // false: forward only (evaluation, generation): no gradients, no state
  double lora_learning_rate_ratio = 1.0;  // of the B matrices
  bool defer_weight_grads = false;        // the list has W actions of its own
};

// Bytes on this rank, as planned; the allocations are exactly these.
struct MemoryLine {
  std::string what;
  int64_t bytes = 0;
};
struct MemoryTable {
  std::vector<MemoryLine> state;  // weights (compute copy), master, gradients, optimizer
  std::vector<MemoryLine> slots;  // gather slots, gradient slots, carries, activations, head chunk
  int64_t state_bytes() const;
  int64_t total_bytes() const;
};
// Pure arithmetic, no allocation. `ranks` = shard group size.
MemoryTable plan_memory(const EngineOptions&, int shard_ranks, int local_micro_batches);
int64_t largest_micro_batch(EngineOptions, int shard_ranks, int64_t memory_limit, int64_t local_rows);

struct StepResult {
  double loss = 0;       // global, per normaliser unit, before the update
  double grad_norm = 0;  // before clipping
  double trained = 0;    // normaliser of the global batch (trained tokens)
  int64_t tokens = 0;    // positions of the global batch
  bool finite = true;    // false: nothing was updated
};

struct EvalResult {
  double loss_sum = 0, weight = 0;
  int64_t tokens = 0;
};  // summed over data ranks

class Engine {
 public:
  // Collective. Allocates everything that plan_memory names.
  static std::unique_ptr<Engine> make(const EngineOptions&, parallel::Mesh mesh, at::Device device);
  virtual ~Engine() = default;

  virtual void initialise(uint64_t seed) = 0;              // values by (seed, canonical name, element)
  virtual void load(const model::WeightSource& base) = 0;  // base weights; adapters stay as initialised

  // One update. `micro_batches`: this rank's share of the global batch, in order; may be empty on some ranks only when
  // zero < 2 ... all ranks run the same number of actions (the engine pads with empty ones).
  virtual StepResult step(std::span<const data::Batch> micro_batches, const Objective&, double learning_rate) = 0;
  // Token log-probabilities fp32 [T] on the CPU of one batch, no gradient; collective over data ranks for zero 3.
  // adapters = false: the base under a LoRA model.
  virtual at::Tensor forward(const data::Batch&, bool adapters = true) = 0;
  virtual EvalResult evaluate(std::span<const data::Batch> batches) = 0;  // ranks may bring different counts
  // Until it is called again, forward, evaluate and what is held answer as if only these rows of the vocabulary were
  // there: a base whose vocabulary has grown, as it was before. Absent: all.
  virtual void limit_vocabulary(std::optional<int64_t> rows) = 0;

  // All stages gathered until release(): generation and repeated evaluation.
  virtual void hold() = 0;
  virtual void release() = 0;
  // Full fp32 value of a parameter on every rank (export, merge, tests); collective.
  virtual at::Tensor parameter(const std::string& canonical_name) = 0;
  virtual at::Tensor gradient(const std::string& canonical_name) = 0;  // of the last step, before clipping; tests

  // Named state for the checkpoint: weights and optimizer state of what is trained, plus counters.
  virtual StateRegistry& state() = 0;
  virtual const MemoryTable& memory() const = 0;
  virtual std::vector<Action> plan(int micro_batches) const = 0;
  virtual const EngineOptions& options() const = 0;
  // For generate/: valid between hold() and release().
  virtual model::HeldModel& held() = 0;
};

}  // namespace plumb::engine
