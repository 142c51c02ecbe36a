// Which bucket a parameter belongs to, and the step's options that follow from the model.
#include <map>
#include <tuple>

#include "trainer/engine/model_state.h"

namespace plumb::engine {

namespace {

bool is_lora_b(const std::string& name) { return name.ends_with(".lora_b"); }

}  // namespace

int optimizer_groups(const EngineOptions& options) {
  return options.lora && options.lora_learning_rate_ratio != 1.0 ? 2 : 1;
}

std::vector<parallel::BucketLayout> bucket_layouts(const EngineOptions& options, int shard_ranks) {
  const Precision precision = Precision::make(options.precision);
  const bool fp32 = precision.of(Role::block_linear).compute == c10::ScalarType::Float;
  const parallel::Codec codec = fp32 ? parallel::Codec::fp32 : parallel::Codec::bf16;
  std::map<std::tuple<int64_t, bool, int>, std::vector<parallel::BucketEntry>> groups;
  for (const model::ParameterInfo& info : model::parameters(options.spec, options.lora, options.new_rows)) {
    const int group = optimizer_groups(options) == 2 && is_lora_b(info.name) ? 1 : 0;
    groups[{info.stage, info.trainable, group}].push_back({info.name, info.shape, info.decay});
  }
  std::vector<parallel::BucketLayout> layouts;
  for (auto& [key, entries] : groups) {
    const auto& [stage, trainable, group] = key;
    layouts.push_back(
        parallel::make_layout(static_cast<int>(stage), trainable, codec, group, std::move(entries), shard_ranks));
  }
  return layouts;
}

StepOptions step_options(const EngineOptions& options, int shard_ranks, int data_ranks, int micro_batches,
                         bool evaluate) {
  StepOptions step;
  step.stages = static_cast<int>(options.spec.stages());
  step.micro_batches = micro_batches;
  step.zero = options.zero;
  step.shard = shard_ranks;
  step.data_ranks = data_ranks;
  step.recompute = options.recompute;
  step.evaluate = evaluate;
  step.defer_weight_grads = options.defer_weight_grads;
  step.trainable.assign(static_cast<size_t>(step.stages), false);
  for (const model::ParameterInfo& info : model::parameters(options.spec, options.lora, options.new_rows)) {
    if (info.trainable) step.trainable[static_cast<size_t>(info.stage)] = true;
  }
  step.borrows.resize(static_cast<size_t>(step.stages));
  if (options.spec.tie_word_embeddings) step.borrows.back() = {0};
  return step;
}

}  // namespace plumb::engine
