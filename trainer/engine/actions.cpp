#include "trainer/engine/actions.h"

#include <algorithm>

#include "core/error.h"

namespace plumb::engine {

namespace {

class Planner {
 public:
  explicit Planner(const StepOptions& options) : o_(options) {
    if (o_.stages < 3) fail_internal("a step needs an embedding, a block and a head");
    first_trainable_ = 0;
    while (first_trainable_ < o_.stages && !trainable(first_trainable_)) ++first_trainable_;
    for (const auto& owners : o_.borrows) {
      for (const int owner : owners) {
        if (trainable(owner)) first_trainable_ = std::min(first_trainable_, owner);
      }
    }
  }

  std::vector<Action> plan() {
    for (int m = 0; m < o_.micro_batches; ++m) {
      forward(m);
      if (!o_.evaluate) backward(m);
    }
    if (!o_.evaluate) add(ActionKind::finish, -1, -1);
    return std::move(actions_);
  }

 private:
  bool trainable(int stage) const { return o_.trainable.empty() || o_.trainable[static_cast<size_t>(stage)]; }
  bool gathers() const { return o_.zero == 3 && o_.shard > 1; }
  int last_user(int stage) const { return o_.last_user.empty() ? stage : o_.last_user[static_cast<size_t>(stage)]; }
  void add(ActionKind kind, int stage, int m) { actions_.push_back({kind, stage, m, -1}); }

  // A stage needs its own weights and those it borrows.
  void gather(int stage) {
    if (!gathers()) return;
    add(ActionKind::gather, stage, -1);
    for (const int owner : borrowed(stage)) add(ActionKind::gather, owner, -1);
  }
  void release(int stage) {
    if (!gathers()) return;
    add(ActionKind::release, stage, -1);
    for (const int owner : borrowed(stage)) add(ActionKind::release, owner, -1);
  }
  std::vector<int> borrowed(int stage) const {
    return o_.borrows.empty() ? std::vector<int>{} : o_.borrows[static_cast<size_t>(stage)];
  }

  // The next stage's weights are under way while this one computes.
  void forward(int m) {
    gather(0);
    for (int stage = 0; stage < o_.stages; ++stage) {
      if (stage + 1 < o_.stages) gather(stage + 1);
      add(ActionKind::forward, stage, m);
      const bool stays = stage == o_.stages - 1 && !o_.evaluate;  // the head goes straight into its backward
      if (!stays) release(stage);
    }
  }

  // The embedding's backward needs no weights, only a place for their gradient.
  bool backward_gathers(int stage) const { return stage >= std::max(1, first_trainable_) && stage < o_.stages - 1; }

  void backward(int m) {
    for (int stage = o_.stages - 1; stage >= first_trainable_; --stage) {
      if (backward_gathers(stage - 1)) gather(stage - 1);
      const bool block = stage > 0 && stage < o_.stages - 1;
      if (block && o_.recompute == Recompute::full) add(ActionKind::recompute, stage, m);
      add(ActionKind::input_grad, stage, m);
      if (o_.defer_weight_grads) add(ActionKind::weight_grad, stage, m);
      if (stage == o_.stages - 1 || backward_gathers(stage)) release(stage);
      for (int owner = o_.stages - 1; owner >= 0; --owner) {
        if (last_user(owner) == stage && reduces_now(owner, m)) add(ActionKind::reduce, owner, m);
      }
    }
  }

  bool reduces_now(int owner, int m) const {
    if (!trainable(owner) || o_.data_ranks <= 1) return false;
    return (o_.zero >= 2 && o_.shard > 1) || m == o_.micro_batches - 1;
  }

  const StepOptions& o_;
  int first_trainable_ = 0;
  std::vector<Action> actions_;
};

}  // namespace

std::vector<Action> plan_step(const StepOptions& options) { return Planner(options).plan(); }

std::string to_string(const Action& action) {
  const std::string stage = std::to_string(action.stage);
  const std::string both = "(" + stage + "," + std::to_string(action.micro_batch) + ")";
  switch (action.kind) {
    case ActionKind::gather:
      return "gather(" + stage + ")";
    case ActionKind::release:
      return "release(" + stage + ")";
    case ActionKind::forward:
      return "F" + both;
    case ActionKind::recompute:
      return "R" + both;
    case ActionKind::input_grad:
      return "I" + both;
    case ActionKind::weight_grad:
      return "W" + both;
    case ActionKind::reduce:
      return "reduce(" + stage + ")";
    case ActionKind::send:
      return "send" + both + "->" + std::to_string(action.peer);
    case ActionKind::receive:
      return "receive" + both + "<-" + std::to_string(action.peer);
    case ActionKind::finish:
      return "finish";
  }
  return "?";
}

namespace {

// True when `b` is `a` moved by `stages` stages and `micro` micro-batches.
bool is_moved(const Action& a, const Action& b, int stages, int micro) {
  return a.kind == b.kind && a.kind != ActionKind::finish && b.stage - a.stage == stages &&
         (a.micro_batch < 0 ? b.micro_batch == a.micro_batch : b.micro_batch - a.micro_batch == micro);
}

// How often the `length` actions at `at` repeat, each time moved by the same amount.
size_t repeats(const std::vector<Action>& all, size_t at, size_t length) {
  if (at + 2 * length > all.size() || all[at].kind == ActionKind::finish) return 1;
  const int stages = all[at + length].stage - all[at].stage;
  int micro = 0;
  for (size_t i = at; i < at + length; ++i) {
    if (all[i].micro_batch >= 0) micro = all[i + length].micro_batch - all[i].micro_batch;
  }
  size_t count = 1;
  while (at + (count + 1) * length <= all.size()) {
    for (size_t i = 0; i < length; ++i) {
      const size_t before = at + (count - 1) * length + i;
      if (!is_moved(all[before], all[before + length], stages, micro)) return count;
    }
    ++count;
  }
  return count;
}

}  // namespace

std::string print_plan(const std::vector<Action>& actions) {
  constexpr size_t kWidth = 100, kLongestFold = 400, kFoldFrom = 3;
  std::string text, line;
  const auto put = [&](const std::string& word) {
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
      text += line + "\n";
      line = "   ";
    }
    line += (line.empty() ? "" : " ") + word;
  };
  for (size_t at = 0; at < actions.size();) {
    size_t best = 1, length = 1;
    for (size_t n = 1; n <= std::min(kLongestFold, (actions.size() - at) / 2); ++n) {
      const size_t count = repeats(actions, at, n);
      if (count >= kFoldFrom && count * n > best * length) best = count, length = n;
    }
    if (best == 1) {
      put(to_string(actions[at++]));
      continue;
    }
    put("[");
    for (size_t i = 0; i < length; ++i) put(to_string(actions[at + i]));
    put("] ... " + std::to_string(best) + " times, up to " + to_string(actions[at + best * length - 1]));
    at += best * length;
  }
  if (!line.empty()) text += line + "\n";
  return text;
}

}  // namespace plumb::engine
