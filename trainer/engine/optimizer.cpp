#include "trainer/engine/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace plumb::engine {

namespace {

using parallel::Bucket;

// Runs of equal weight decay inside [own.begin, own.end) of the bucket, relative to own.begin. The padding is zero and
// stays zero, whatever its span says.
std::vector<ops::DecaySpan> decay_spans(const Bucket& bucket) {
  std::vector<ops::DecaySpan> spans;
  const parallel::ElementRange own = bucket.own();
  for (const parallel::BucketEntry& entry : bucket.layout().entries) {
    const int64_t begin = std::max(entry.begin, own.begin), end = std::min(entry.begin + entry.numel, own.end);
    if (begin >= end) continue;
    if (!spans.empty() && spans.back().decay == entry.decay) {
      spans.back().end = end - own.begin;
    } else {
      spans.push_back({begin - own.begin, end - own.begin, entry.decay});
    }
  }
  return spans;
}

// Chunks start at multiples of kNormChunk of the whole bucket, wherever a shard begins.
double squares(const Bucket& bucket) {
  const at::Tensor& gradient = bucket.own_gradient();
  const int64_t begin = bucket.own().begin, size = gradient.numel();
  const int64_t head = std::min(size, (ops::kNormChunk - begin % ops::kNormChunk) % ops::kNormChunk);
  double sum = 0;
  if (head > 0) sum += ops::sum_of_squares(gradient.narrow(0, 0, head)).item<double>();
  if (head < size) sum += ops::sum_of_squares(gradient.narrow(0, head, size - head)).item<double>();
  return sum;
}

}  // namespace

Optimizer::Optimizer(const EngineOptions& options, ModelState& state, at::Device device)
    : options_(options), state_(state) {
  step_values_ = at::zeros({optimizer_groups(options), 4}, at::TensorOptions(at::kFloat).device(device));
  for (const Bucket& bucket : state.buckets()) decay_.push_back(decay_spans(bucket));
}

Optimizer::Totals Optimizer::totals(double local_loss) {
  double sum = 0;
  bool cut = false;
  for (const Bucket& bucket : state_.buckets()) {
    if (!bucket.learns()) continue;
    sum += squares(bucket);
    cut = cut || bucket.sharding().optimizer;
  }
  if (cut) sum = parallel::all_reduce_value(*state_.mesh().shard, sum);
  const double loss = parallel::all_reduce_value(*state_.mesh().data_shard, local_loss);
  return {std::sqrt(sum), loss};
}

void Optimizer::update(double learning_rate, double norm) {
  ++steps_;
  const double t = static_cast<double>(steps_);
  double scale = 1;
  if (options_.clip_grad_norm) scale = std::min(1.0, *options_.clip_grad_norm / (norm + 1e-6));
  const at::Tensor values = at::empty(step_values_.sizes(), at::TensorOptions(at::kFloat));
  for (int64_t group = 0; group < values.size(0); ++group) {
    float* const v = values.mutable_data_ptr<float>() + group * 4;
    v[0] = static_cast<float>(group == 1 ? learning_rate * options_.lora_learning_rate_ratio : learning_rate);
    v[1] = static_cast<float>(1 - std::pow(options_.beta1, t));
    v[2] = static_cast<float>(1 - std::pow(options_.beta2, t));
    v[3] = static_cast<float>(scale);
  }
  step_values_.copy_(values);
  const ops::AdamWOptions adamw{options_.beta1, options_.beta2, options_.eps, options_.weight_decay};
  auto& buckets = state_.buckets();
  for (size_t b = 0; b < buckets.size(); ++b) {
    const Bucket& bucket = buckets[b];
    if (!bucket.learns()) continue;
    std::optional<at::Tensor> compute;  // with codec fp32 the master is the compute copy
    if (bucket.layout().codec != parallel::Codec::fp32) compute = bucket.own_weights();
    ops::adamw_(bucket.master(), bucket.moment1(), bucket.moment2(), bucket.own_gradient(), compute,
                step_values_.select(0, bucket.layout().optimizer_group), decay_[b], adamw);
  }
  state_.gather_weights();
}

}  // namespace plumb::engine
