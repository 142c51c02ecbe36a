#include "trainer/engine/model_state.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace plumb::engine {

namespace {

using parallel::Bucket;
using parallel::BucketLayout;

// Finds each handle's place: its parts must lie side by side in one bucket.
void place(model::Parameter& parameter, const std::vector<Bucket>& buckets) {
  for (size_t b = 0; b < buckets.size(); ++b) {
    const parallel::BucketEntry* entry = buckets[b].layout().find(parameter.names.front());
    if (entry == nullptr) continue;
    parameter.bucket = static_cast<int>(b);
    parameter.begin = entry->begin;
    int64_t end = entry->begin;
    for (const std::string& name : parameter.names) {
      const parallel::BucketEntry* part = buckets[b].layout().find(name);
      if (part == nullptr || part->begin != end)
        fail_internal(name + " does not lie beside " + parameter.names.front());
      end += part->numel;
    }
    return;
  }
  fail_internal("no bucket holds " + parameter.names.front());
}

std::vector<at::Tensor> allocate(const SlotPlan& plan, parallel::Communicator& shard) {
  std::vector<at::Tensor> slots;
  for (const int64_t bytes : plan.slot_bytes) slots.push_back(shard.allocate(bytes));
  return slots;
}

}  // namespace

ModelState::ModelState(const EngineOptions& options, const parallel::Mesh& mesh, model::ParameterTable& table)
    : mesh_(mesh), sharding_(parallel::sharding_of(options.zero, mesh.shard->size())) {
  const int ranks = mesh.shard->size();
  const auto stages = static_cast<size_t>(options.spec.stages());
  of_stage_.resize(stages);
  for (const BucketLayout& layout : bucket_layouts(options, ranks)) {
    of_stage_[static_cast<size_t>(layout.stage)].push_back(buckets_.size());
    buckets_.emplace_back(layout, sharding_, options.optimizer, *mesh.shard);
  }
  parameters_.resize(buckets_.size());
  for (model::Parameter& parameter : table.all()) {
    place(parameter, buckets_);
    parameters_[static_cast<size_t>(parameter.bucket)].push_back(&parameter);
  }
  std::vector<int64_t> weight_bytes(stages, 0), gradient_bytes(stages, 0);
  for (const Bucket& bucket : buckets_) {
    const BucketLayout& layout = bucket.layout();
    const auto stage = static_cast<size_t>(layout.stage);
    if (cut_weights()) weight_bytes[stage] += layout.padded() * parallel::codec_bytes(layout.codec);
    if (cut_gradients() && bucket.learns()) gradient_bytes[stage] += layout.padded() * 4;
  }
  const StepOptions step = step_options(options, ranks, mesh.data_ranks(), 2, !options.optimizer);
  const std::vector<Action> actions = plan_step(step);
  gather_plan_ = plan_gather_slots(actions, weight_bytes);
  gradient_plan_ = plan_gradient_slots(actions, gradient_bytes, step.borrows);
  gather_slots_ = allocate(gather_plan_, *mesh.shard);
  gradient_slots_ = allocate(gradient_plan_, *mesh.shard);
  gathering_.resize(stages);
  reducing_.resize(gradient_slots_.size());
  gradient_bound_.assign(stages, false);
  gradient_started_.assign(stages, false);
  for (size_t b = 0; b < buckets_.size(); ++b) {
    if (!cut_weights()) bind_values(b, buckets_[b].weights());
    if (!cut_gradients() && buckets_[b].learns()) bind_gradients(b, buckets_[b].gradient());
  }
}

ModelState::Place ModelState::find(const std::string& name) {
  for (Bucket& bucket : buckets_) {
    if (const parallel::BucketEntry* entry = bucket.layout().find(name)) return {&bucket, entry};
  }
  fail_input(name, "the model has no parameter of this name");
}

void ModelState::bind_values(size_t bucket, const at::Tensor& flat) {
  for (model::Parameter* p : parameters_[bucket]) {
    p->value = flat.defined() ? flat.narrow(0, p->begin, p->numel).view(p->shape) : at::Tensor();
  }
}

void ModelState::bind_gradients(size_t bucket, const at::Tensor& flat) {
  for (model::Parameter* p : parameters_[bucket]) {
    p->gradient = flat.defined() ? flat.narrow(0, p->begin, p->numel).view(p->shape) : at::Tensor();
  }
}

// One tensor a bucket of the stage, one after the other in the slot; undefined where a bucket needs none.
std::vector<at::Tensor> ModelState::slot_views(const at::Tensor& slot, int stage, bool gradients) const {
  std::vector<at::Tensor> views;
  int64_t offset = 0;
  for (const size_t b : of_stage_[static_cast<size_t>(stage)]) {
    const BucketLayout& layout = buckets_[b].layout();
    if (gradients && !buckets_[b].learns()) {
      views.emplace_back();
      continue;
    }
    const int64_t bytes = layout.padded() * (gradients ? 4 : parallel::codec_bytes(layout.codec));
    const at::ScalarType dtype = gradients ? at::kFloat : parallel::codec_dtype(layout.codec);
    views.push_back(slot.narrow(0, offset, bytes).view(dtype));
    offset += bytes;
  }
  return views;
}

void ModelState::gather(int stage) {
  if (!cut_weights() || held()) return;
  const auto s = static_cast<size_t>(stage);
  const auto views = slot_views(gather_slots_[static_cast<size_t>(gather_plan_.slot_of_stage[s])], stage, false);
  for (size_t i = 0; i < views.size(); ++i) {
    const size_t b = of_stage_[s][i];
    gathering_[s].push_back(buckets_[b].gather(views[i], *mesh_.shard));
    bind_values(b, views[i]);
  }
}

void ModelState::wait_gathered(int stage) {
  for (auto& pending : gathering_[static_cast<size_t>(stage)]) pending->wait();
  gathering_[static_cast<size_t>(stage)].clear();
}

void ModelState::release(int stage) {
  if (!cut_weights() || held()) return;
  wait_gathered(stage);
  for (const size_t b : of_stage_[static_cast<size_t>(stage)]) bind_values(b, at::Tensor());
}

void ModelState::hold() {
  if (!cut_weights() || held()) return;
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const BucketLayout& layout = buckets_[b].layout();
    held_.push_back(at::empty({layout.padded()}, buckets_[b].weights().options()));
    buckets_[b].gather(held_.back(), *mesh_.shard)->wait();
    bind_values(b, held_.back());
  }
}

void ModelState::drop() {
  if (!held()) return;
  held_.clear();
  for (size_t b = 0; b < buckets_.size(); ++b) bind_values(b, at::Tensor());
}

void ModelState::clear_gradients() {
  std::fill(gradient_started_.begin(), gradient_started_.end(), false);
  if (cut_gradients()) return;  // the first reduction of a step overwrites
  for (const Bucket& bucket : buckets_) {
    if (bucket.learns()) bucket.gradient().zero_();
  }
}

void ModelState::prepare_gradients(int stage) {
  const auto s = static_cast<size_t>(stage);
  if (!cut_gradients() || gradient_bound_[s] || gradient_plan_.slot_of_stage[s] < 0) return;
  const auto slot = static_cast<size_t>(gradient_plan_.slot_of_stage[s]);
  finish(reducing_[slot]);
  const auto views = slot_views(gradient_slots_[slot], stage, true);
  for (size_t i = 0; i < views.size(); ++i) {
    if (!views[i].defined()) continue;
    views[i].zero_();
    bind_gradients(of_stage_[s][i], views[i]);
  }
  gradient_bound_[s] = true;
}

void ModelState::reduce(int stage, bool last_micro_batch) {
  const auto s = static_cast<size_t>(stage);
  if (!cut_gradients()) {
    for (const size_t b : of_stage_[s]) {
      Bucket& bucket = buckets_[b];
      if (!bucket.learns()) continue;
      if (!sharding_.optimizer) {
        mesh_.data_shard->all_reduce(bucket.gradient());
        continue;
      }
      const at::Tensor part = bucket.own_gradient();
      mesh_.shard->reduce_scatter(part, bucket.gradient())->wait();
      if (mesh_.data->size() > 1) mesh_.data->all_reduce(part);
    }
    return;
  }
  prepare_gradients(stage);  // a rank without this micro-batch adds zeros
  const auto slot = static_cast<size_t>(gradient_plan_.slot_of_stage[s]);
  Reduction& reduction = reducing_[slot];
  reduction.stage = stage;
  reduction.first = !gradient_started_[s];
  reduction.last = last_micro_batch;
  gradient_started_[s] = true;
  const auto views = slot_views(gradient_slots_[slot], stage, true);
  for (size_t i = 0; i < views.size(); ++i) {
    if (!views[i].defined()) continue;
    const Bucket& bucket = buckets_[of_stage_[s][i]];
    const at::Tensor part = views[i].narrow(0, bucket.shard_begin(), bucket.layout().shard);
    reduction.pending.push_back(mesh_.shard->reduce_scatter(part, views[i]));
    bind_gradients(of_stage_[s][i], at::Tensor());
  }
  gradient_bound_[s] = false;
}

void ModelState::finish(Reduction& reduction) {
  if (reduction.stage < 0) return;
  for (auto& pending : reduction.pending) pending->wait();
  const auto s = static_cast<size_t>(reduction.stage);
  const auto slot = static_cast<size_t>(gradient_plan_.slot_of_stage[s]);
  const auto views = slot_views(gradient_slots_[slot], reduction.stage, true);
  for (size_t i = 0; i < views.size(); ++i) {
    if (!views[i].defined()) continue;
    const Bucket& bucket = buckets_[of_stage_[s][i]];
    const at::Tensor part = views[i].narrow(0, bucket.shard_begin(), bucket.layout().shard);
    if (reduction.first) {
      bucket.gradient().copy_(part);
    } else {
      bucket.gradient().add_(part);
    }
    if (reduction.last && mesh_.data->size() > 1) mesh_.data->all_reduce(bucket.gradient());
  }
  reduction = Reduction{};
}

void ModelState::finish_reductions() {
  for (Reduction& reduction : reducing_) finish(reduction);
}

void ModelState::gather_weights() {
  std::vector<parallel::PendingPtr> pending;
  for (Bucket& bucket : buckets_) {
    if (bucket.learns() && bucket.needs_weight_gather()) pending.push_back(bucket.gather_weights(*mesh_.shard));
  }
  for (auto& one : pending) one->wait();
}

}  // namespace plumb::engine
