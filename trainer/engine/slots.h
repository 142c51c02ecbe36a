// Fixed slots: which piece of memory each gathered stage and each unsharded gradient gets, decided from the action list
// before step 1. Pure arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/engine/actions.h"

namespace plumb::engine {

struct SlotPlan {
  std::vector<int> slot_of_stage;   // -1: the stage never needs one
  std::vector<int64_t> slot_bytes;  // size of each slot
  int64_t total() const;
};

// bytes[stage]: 0 where the stage needs none. A slot is held from gather to release.
SlotPlan plan_gather_slots(const std::vector<Action>& actions, const std::vector<int64_t>& bytes);
// A gradient slot is held from the first backward that adds to it until the reduction after the next one has begun: a
// reduction overlaps with the backward of the next stage. borrows as in StepOptions.
SlotPlan plan_gradient_slots(const std::vector<Action>& actions, const std::vector<int64_t>& bytes,
                             const std::vector<std::vector<int>>& borrows);

}  // namespace plumb::engine
