// The memory table: the plan that the engine then allocates, and what the largest micro-batch follows from.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "trainer/engine/model_state.h"

namespace plumb::engine {

namespace {

// Logits of the head exist for at most this many elements at a time (ops/token_logprob), or for 16 rows.
constexpr int64_t kHeadChunk = int64_t{64} << 20;

// Elements a block keeps for its backward, by token.
struct BlockActivations {
  int64_t kept = 0;       // elements of the compute dtype
  int64_t kept_fp32 = 0;  // norms and attention statistics
  int64_t backward = 0;   // largest temporaries of a backward, compute dtype
};

BlockActivations block_activations(const model::ModelSpec& s, bool save_less) {
  const int64_t q = s.num_attention_heads * s.head_dim, qkv = q + 2 * s.num_key_value_heads * s.head_dim;
  BlockActivations a;
  a.kept = s.hidden_size + qkv + q + s.hidden_size + 2 * s.intermediate_size;  // input, qkv, attended, sum, gate|up
  if (!save_less) a.kept += 2 * s.hidden_size + s.intermediate_size;           // both normed inputs, swiglu's output
  a.kept_fp32 = 2 + s.num_attention_heads;
  a.backward = 3 * s.hidden_size + std::max(3 * s.intermediate_size, 2 * qkv + q);
  return a;
}

void add_state(MemoryTable& table, const EngineOptions& options, const std::vector<parallel::BucketLayout>& layouts,
               parallel::Sharding sharding) {
  parallel::BucketBytes sum, frozen;
  for (const parallel::BucketLayout& layout : layouts) {
    const parallel::BucketBytes bytes = parallel::bucket_bytes(layout, sharding, options.optimizer);
    (layout.trainable ? sum : frozen).weights += bytes.weights;
    sum.master += bytes.master;
    sum.gradients += bytes.gradients;
    sum.optimizer += bytes.optimizer;
  }
  const auto line = [&](const char* what, int64_t bytes) {
    if (bytes > 0) table.state.push_back({what, bytes});
  };
  line("weights", sum.weights);
  line("frozen weights", frozen.weights);
  line("master weights", sum.master);
  line("gradients", sum.gradients);
  line("optimizer", sum.optimizer);
}

void add_slots(MemoryTable& table, const EngineOptions& options, const std::vector<parallel::BucketLayout>& layouts,
               parallel::Sharding sharding, int shard_ranks) {
  std::vector<int64_t> weights(static_cast<size_t>(options.spec.stages()), 0), gradients(weights);
  for (const parallel::BucketLayout& layout : layouts) {
    const auto stage = static_cast<size_t>(layout.stage);
    if (sharding.weights) weights[stage] += layout.padded() * parallel::codec_bytes(layout.codec);
    if (sharding.gradients && layout.trainable && options.optimizer) gradients[stage] += layout.padded() * 4;
  }
  const StepOptions step = step_options(options, shard_ranks, shard_ranks, 2, !options.optimizer);
  const std::vector<Action> actions = plan_step(step);
  const int64_t gather = plan_gather_slots(actions, weights).total();
  const int64_t gradient = plan_gradient_slots(actions, gradients, step.borrows).total();
  if (gather > 0) table.slots.push_back({"gather slots", gather});
  if (gradient > 0) table.slots.push_back({"gradient slots", gradient});
}

void add_activations(MemoryTable& table, const EngineOptions& options) {
  const model::ModelSpec& s = options.spec;
  const int64_t element = options.precision == "fp32" ? 4 : 2;
  const int64_t tokens = options.micro_batch_size * options.sequence_length;
  const int64_t layers = s.num_hidden_layers;
  const BlockActivations block = block_activations(s, options.recompute == Recompute::selective);
  const int64_t of_block = tokens * (block.kept * element + block.kept_fp32 * 4);
  int64_t alive = 1;  // blocks whose tape is alive at once
  if (options.optimizer && options.recompute != Recompute::full) alive = layers;
  const int64_t carries = options.optimizer && options.recompute == Recompute::full ? layers : 1;
  table.slots.push_back({"carries", tokens * s.hidden_size * element * carries});
  table.slots.push_back({"activations", of_block * alive});
  if (options.optimizer) table.slots.push_back({"backward", tokens * block.backward * element});
  const int64_t logits = std::min(tokens * s.vocab_size, std::max(16 * s.vocab_size, kHeadChunk));
  table.slots.push_back({"head", logits * 4 + tokens * s.hidden_size * element * 2});
}

}  // namespace

int64_t MemoryTable::state_bytes() const {
  int64_t sum = 0;
  for (const MemoryLine& line : state) sum += line.bytes;
  return sum;
}

int64_t MemoryTable::total_bytes() const {
  int64_t sum = state_bytes();
  for (const MemoryLine& line : slots) sum += line.bytes;
  return sum;
}

MemoryTable plan_memory(const EngineOptions& options, int shard_ranks, int /*local_micro_batches*/) {
  // Micro-batches run one after the other: their number changes nothing.
  options.spec.validate("model");
  MemoryTable table;
  const parallel::Sharding sharding = parallel::sharding_of(options.zero, shard_ranks);
  const auto layouts = bucket_layouts(options, shard_ranks);
  add_state(table, options, layouts, sharding);
  add_slots(table, options, layouts, sharding, shard_ranks);
  add_activations(table, options);
  return table;
}

int64_t largest_micro_batch(EngineOptions options, int shard_ranks, int64_t memory_limit, int64_t local_rows) {
  const auto fits = [&](int64_t rows) {
    options.micro_batch_size = rows;
    return plan_memory(options, shard_ranks, 1).total_bytes() <= memory_limit;
  };
  if (local_rows < 1 || !fits(1)) return 0;
  int64_t low = 1, high = local_rows;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace plumb::engine
