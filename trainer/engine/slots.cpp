#include "trainer/engine/slots.h"

#include <algorithm>
#include <numeric>

namespace plumb::engine {

namespace {

// For each stage, the stages that hold a slot at some moment together with it.
class Overlaps {
 public:
  explicit Overlaps(size_t stages) : with_(stages, std::vector<bool>(stages, false)), held_(stages, false) {}
  void take(int stage) {
    const auto s = static_cast<size_t>(stage);
    held_[s] = true;
    for (size_t other = 0; other < held_.size(); ++other) {
      if (held_[other] && other != s) with_[s][other] = with_[other][s] = true;
    }
  }
  void drop(int stage) { held_[static_cast<size_t>(stage)] = false; }
  bool overlap(size_t a, size_t b) const { return with_[a][b]; }

 private:
  std::vector<std::vector<bool>> with_;
  std::vector<bool> held_;
};

// The largest stages choose first; a slot is shared by stages of like size that never meet.
SlotPlan assign(const Overlaps& overlaps, const std::vector<int64_t>& bytes) {
  SlotPlan plan;
  plan.slot_of_stage.assign(bytes.size(), -1);
  std::vector<size_t> order(bytes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return bytes[a] > bytes[b]; });
  for (const size_t stage : order) {
    if (bytes[stage] == 0) continue;
    int chosen = -1;
    for (size_t slot = 0; slot < plan.slot_bytes.size() && chosen < 0; ++slot) {
      bool free = true;
      for (size_t other = 0; other < bytes.size(); ++other) {
        if (plan.slot_of_stage[other] == static_cast<int>(slot) && overlaps.overlap(stage, other)) free = false;
      }
      if (free) chosen = static_cast<int>(slot);
    }
    if (chosen < 0) {
      chosen = static_cast<int>(plan.slot_bytes.size());
      plan.slot_bytes.push_back(bytes[stage]);
    }
    plan.slot_of_stage[stage] = chosen;
  }
  return plan;
}

}  // namespace

int64_t SlotPlan::total() const { return std::accumulate(slot_bytes.begin(), slot_bytes.end(), int64_t{0}); }

SlotPlan plan_gather_slots(const std::vector<Action>& actions, const std::vector<int64_t>& bytes) {
  Overlaps overlaps(bytes.size());
  for (const Action& action : actions) {
    if (action.kind == ActionKind::gather) overlaps.take(action.stage);
    if (action.kind == ActionKind::release) overlaps.drop(action.stage);
  }
  return assign(overlaps, bytes);
}

SlotPlan plan_gradient_slots(const std::vector<Action>& actions, const std::vector<int64_t>& bytes,
                             const std::vector<std::vector<int>>& borrows) {
  Overlaps overlaps(bytes.size());
  int leaving = -1;
  for (const Action& action : actions) {
    if (action.kind == ActionKind::input_grad) {
      if (bytes[static_cast<size_t>(action.stage)] > 0) overlaps.take(action.stage);
      if (!borrows.empty()) {
        for (const int owner : borrows[static_cast<size_t>(action.stage)]) overlaps.take(owner);
      }
    }
    if (action.kind == ActionKind::reduce) {
      if (leaving >= 0) overlaps.drop(leaving);
      leaving = action.stage;
    }
  }
  return assign(overlaps, bytes);
}

}  // namespace plumb::engine
