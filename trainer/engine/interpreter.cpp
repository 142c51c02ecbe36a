#include "trainer/engine/interpreter.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace plumb::engine {

namespace {

model::Carry map_carry(const model::Carry& carry, at::Tensor (*f)(const at::Tensor&)) {
  model::Carry out;
  for (const auto& [name, value] : carry.tensors) out.tensors.push_back({name, f(value)});
  return out;
}

template <class Map, class Key>
typename Map::mapped_type take(Map& map, const Key& key) {
  auto node = map.extract(key);
  if (node.empty()) fail_internal("the action list uses something that is not there yet or no longer");
  return std::move(node.mapped());
}

// Gradients of replicas of a shard join only once a step: with the stage's last reduction.
bool is_last_reduction(const std::vector<Action>& actions, size_t at) {
  for (size_t later = at + 1; later < actions.size(); ++later) {
    if (actions[later].kind == ActionKind::reduce && actions[later].stage == actions[at].stage) return false;
  }
  return true;
}

}  // namespace

Interpreter::Interpreter(const model::Transformer& model, ModelState& state, Recompute recompute,
                         std::vector<bool> trainable)
    : model_(model), state_(state), recompute_(recompute), head_(model.stages() - 1) {
  while (first_trainable_ < head_ && !trainable[static_cast<size_t>(first_trainable_)]) ++first_trainable_;
  anchor_ = model::anchor(model.device());
}

WorkResult Interpreter::run(const std::vector<Action>& actions, const Work& work) {
  work_ = &work;
  result_ = {};
  tapes_.clear(), carries_.clear(), gradients_.clear(), deferred_.clear();  // an exception may have left something
  defers_ = false;
  for (const Action& action : actions) defers_ = defers_ || action.kind == ActionKind::weight_grad;
  for (size_t at = 0; at < actions.size(); ++at) {
    const Action& action = actions[at];
    const bool dry = action.micro_batch >= static_cast<int>(work.batches.size());
    switch (action.kind) {
      case ActionKind::gather:
        state_.gather(action.stage);
        break;
      case ActionKind::release:
        state_.release(action.stage);
        break;
      case ActionKind::forward:
        if (!dry) forward(action.stage, action.micro_batch);
        break;
      case ActionKind::recompute:
        if (!dry) recompute(action.stage, action.micro_batch);
        break;
      case ActionKind::input_grad:
        if (!dry) backward(action.stage, action.micro_batch);
        break;
      case ActionKind::weight_grad:
        if (!dry) take(deferred_, Key{action.stage, action.micro_batch}).flush();
        break;
      case ActionKind::reduce:
        state_.reduce(action.stage, is_last_reduction(actions, at));
        break;
      case ActionKind::finish:
        state_.finish_reductions();
        break;
      case ActionKind::send:
      case ActionKind::receive:
        fail_internal("this engine has no pipeline: " + to_string(action));
    }
  }
  work_ = nullptr;
  return std::move(result_);
}

model::StageContext Interpreter::context(int stage, int m) {
  model::StageContext context;
  context.adapters = work_->adapters;
  context.vocabulary = work_->vocabulary;
  context.seed = work_->seed;
  context.training = work_->objective != nullptr;
  if (!learns(stage)) return context;
  context.save_less = recompute_ == Recompute::selective;
  context.sink = defers_ ? static_cast<model::WgradSink*>(&deferred_[{stage, m}]) : &immediate_;
  if (stage == 0) context.anchor = anchor_;
  if (stage == head_ && work_->objective->linear_in_logprob()) {
    context.loss_scale = work_->batches[static_cast<size_t>(m)].loss_weight.mul(1.0 / work_->total);
  }
  return context;
}

void Interpreter::wait_weights(int stage) {
  state_.wait_gathered(stage);
  for (const int owner : model_.borrows(stage)) state_.wait_gathered(owner);
}

void Interpreter::prepare_gradients(int stage) {
  state_.prepare_gradients(stage);
  for (const int owner : model_.borrows(stage)) state_.prepare_gradients(owner);
}

Interpreter::Tape Interpreter::record(int stage, int m, const model::Carry& in) {
  const model::Recording on(true);
  Tape tape;
  tape.in = map_carry(in, model::leaf);
  tape.out = model_.stage(stage, tape.in, work_->batches[static_cast<size_t>(m)], context(stage, m));
  return tape;
}

void Interpreter::forward(int stage, int m) {
  wait_weights(stage);
  model::Carry in = stage == 0 ? model::Carry{} : take(carries_, Key{stage, m});
  const bool block = stage > 0 && stage < head_;
  model::Carry out;
  if (learns(stage) && !(block && recompute_ == Recompute::full)) {
    if (stage == head_) prepare_gradients(stage);  // the fused head adds to its gradient at once
    Tape tape = record(stage, m, in);
    out = map_carry(tape.out, model::plain);
    tapes_[{stage, m}] = std::move(tape);
  } else {
    const model::Recording off(false);
    out = model_.stage(stage, in, work_->batches[static_cast<size_t>(m)], context(stage, m));
    if (learns(stage)) carries_[{stage, m}] = std::move(in);
  }
  if (stage == head_) {
    finish_head(m, out.at("logprob"));
  } else {
    out.side_losses.clear();
    carries_[{stage + 1, m}] = std::move(out);
  }
}

void Interpreter::recompute(int stage, int m) {
  wait_weights(stage);
  const model::Carry in = take(carries_, Key{stage, m});
  tapes_[{stage, m}] = record(stage, m, in);
}

void Interpreter::finish_head(int m, const at::Tensor& logprob) {
  if (work_->objective == nullptr) {
    result_.logprob.push_back(logprob);
    return;
  }
  const DeviceBatch& batch = work_->batches[static_cast<size_t>(m)];
  const at::Tensor seed = work_->objective->grad_logprob(logprob, batch, work_->total, result_.loss);
  gradients_[{head_ + 1, m}] = {{{"logprob", seed}}, {}};
}

void Interpreter::backward(int stage, int m) {
  wait_weights(stage);
  prepare_gradients(stage);
  const Tape tape = take(tapes_, Key{stage, m});
  const model::Carry seeds = take(gradients_, Key{stage + 1, m});
  std::vector<at::Tensor> outputs, doutputs, leaves;
  for (const auto& [name, value] : tape.out.tensors) {
    outputs.push_back(value);
    doutputs.push_back(seeds.at(name));
  }
  for (const model::SideLoss& side : tape.out.side_losses) {
    result_.loss += side.value.item<double>() * side.weight / side.normaliser;
    outputs.push_back(side.value);
    doutputs.push_back(at::full_like(side.value, side.weight / side.normaliser));
  }
  for (const auto& [name, value] : tape.in.tensors) leaves.push_back(value);
  if (stage == 0) leaves.push_back(anchor_);
  const std::vector<at::Tensor> dinputs = model::run_backward(outputs, doutputs, leaves);
  if (stage == first_trainable_) return;
  model::Carry dcarry;
  for (size_t i = 0; i < tape.in.tensors.size(); ++i) dcarry.tensors.push_back({tape.in.tensors[i].name, dinputs[i]});
  gradients_[{stage, m}] = std::move(dcarry);
}

}  // namespace plumb::engine
