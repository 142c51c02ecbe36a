// The action list of each mode, and the slots that follow from it. No tensors.
#include "trainer/engine/actions.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/error.h"
#include "trainer/engine/slots.h"

namespace plumb::engine {
namespace {

StepOptions two_blocks(int zero, int ranks, int micro_batches = 1) {
  StepOptions options;
  options.stages = 4;
  options.micro_batches = micro_batches;
  options.zero = zero;
  options.shard = options.data_ranks = ranks;
  return options;
}

std::string one_line(const std::vector<Action>& actions) {
  std::string text;
  for (const Action& action : actions) text += (text.empty() ? "" : " ") + to_string(action);
  return text;
}

TEST(Actions, OneRank) {
  for (int zero = 0; zero < 4; ++zero) {
    EXPECT_EQ(one_line(plan_step(two_blocks(zero, 1))),
              "F(0,0) F(1,0) F(2,0) F(3,0) I(3,0) I(2,0) I(1,0) I(0,0) finish");
  }
}

TEST(Actions, ZeroAndOneReduceAfterTheLastMicroBatch) {
  for (int zero = 0; zero < 2; ++zero) {
    EXPECT_EQ(one_line(plan_step(two_blocks(zero, 2, 2))),
              "F(0,0) F(1,0) F(2,0) F(3,0) I(3,0) I(2,0) I(1,0) I(0,0) "
              "F(0,1) F(1,1) F(2,1) F(3,1) I(3,1) reduce(3) I(2,1) reduce(2) I(1,1) reduce(1) I(0,1) reduce(0) finish");
  }
}

TEST(Actions, TwoReducesEveryMicroBatch) {
  EXPECT_EQ(one_line(plan_step(two_blocks(2, 2, 2))),
            "F(0,0) F(1,0) F(2,0) F(3,0) I(3,0) reduce(3) I(2,0) reduce(2) I(1,0) reduce(1) I(0,0) reduce(0) "
            "F(0,1) F(1,1) F(2,1) F(3,1) I(3,1) reduce(3) I(2,1) reduce(2) I(1,1) reduce(1) I(0,1) reduce(0) finish");
}

TEST(Actions, ThreeGathersBeforeForwardAndBackward) {
  EXPECT_EQ(one_line(plan_step(two_blocks(3, 4))),
            "gather(0) gather(1) F(0,0) release(0) gather(2) F(1,0) release(1) gather(3) F(2,0) release(2) F(3,0) "
            "gather(2) I(3,0) release(3) reduce(3) gather(1) I(2,0) release(2) reduce(2) I(1,0) release(1) reduce(1) "
            "I(0,0) reduce(0) finish");
}

TEST(Actions, TiedHeadBorrowsTheEmbedding) {
  StepOptions options = two_blocks(3, 2);
  options.borrows = {{}, {}, {}, {0}};
  EXPECT_EQ(one_line(plan_step(options)),
            "gather(0) gather(1) F(0,0) release(0) gather(2) F(1,0) release(1) gather(3) gather(0) F(2,0) release(2) "
            "F(3,0) gather(2) I(3,0) release(3) release(0) reduce(3) gather(1) I(2,0) release(2) reduce(2) I(1,0) "
            "release(1) reduce(1) I(0,0) reduce(0) finish");
}

TEST(Actions, FrozenStagesBelowTheFirstTrainedOneHaveNoBackward) {
  StepOptions options = two_blocks(2, 2);
  options.trainable = {false, false, true, false};
  EXPECT_EQ(one_line(plan_step(options)), "F(0,0) F(1,0) F(2,0) F(3,0) I(3,0) I(2,0) reduce(2) finish");
}

TEST(Actions, RecomputationAndDeferredWeightGradients) {
  StepOptions options = two_blocks(0, 1);
  options.recompute = Recompute::full;
  options.defer_weight_grads = true;
  EXPECT_EQ(one_line(plan_step(options)),
            "F(0,0) F(1,0) F(2,0) F(3,0) I(3,0) W(3,0) R(2,0) I(2,0) W(2,0) R(1,0) I(1,0) W(1,0) I(0,0) W(0,0) finish");
}

TEST(Actions, EvaluationIsForwardOnly) {
  StepOptions options = two_blocks(3, 2);
  options.evaluate = true;
  EXPECT_EQ(one_line(plan_step(options)),
            "gather(0) gather(1) F(0,0) release(0) gather(2) F(1,0) release(1) gather(3) F(2,0) release(2) F(3,0) "
            "release(3)");
}

// Plays a list against a fake machine: whatever is used must be there, and what is taken must be given back.
void play(const StepOptions& options) {
  std::set<int> gathered;
  std::map<int, int> reductions;
  std::set<std::pair<int, int>> forwarded, backwarded;
  const bool gathers = options.zero == 3 && options.shard > 1;
  for (const Action& a : plan_step(options)) {
    const std::pair<int, int> key{a.stage, a.micro_batch};
    if (a.kind == ActionKind::gather) {
      EXPECT_TRUE(gathered.insert(a.stage).second) << "gathered twice";
    }
    if (a.kind == ActionKind::release) {
      EXPECT_EQ(gathered.erase(a.stage), 1u) << "released, not gathered";
    }
    const bool needs_weights = a.kind == ActionKind::forward || a.kind == ActionKind::recompute ||
                               (a.kind == ActionKind::input_grad && a.stage > 0);
    if (gathers && needs_weights) {
      EXPECT_TRUE(gathered.count(a.stage)) << to_string(a);
      if (!options.borrows.empty()) {
        for (const int owner : options.borrows[static_cast<size_t>(a.stage)]) EXPECT_TRUE(gathered.count(owner));
      }
    }
    if (a.kind == ActionKind::forward) forwarded.insert(key);
    if (a.kind == ActionKind::input_grad) {
      EXPECT_TRUE(forwarded.count(key)) << to_string(a);
      backwarded.insert(key);
    }
    if (a.kind == ActionKind::reduce) ++reductions[a.stage];
  }
  EXPECT_TRUE(gathered.empty());
  const auto all = static_cast<size_t>(options.stages * options.micro_batches);
  EXPECT_EQ(forwarded.size(), all);
  EXPECT_EQ(backwarded.size(), all);
  const int expected = options.data_ranks == 1 ? 0 : options.zero >= 2 ? options.micro_batches : 1;
  for (int stage = 0; stage < options.stages; ++stage) EXPECT_EQ(reductions[stage], expected) << stage;
}

TEST(Actions, EveryListIsConsistent) {
  for (int zero = 0; zero < 4; ++zero) {
    for (const int ranks : {1, 2, 8}) {
      for (const int micro : {1, 3}) {
        for (const bool tied : {false, true}) {
          for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
            StepOptions options = two_blocks(zero, ranks, micro);
            options.stages = 7;
            options.recompute = recompute;
            if (tied) options.borrows = {{}, {}, {}, {}, {}, {}, {0}};
            play(options);
          }
        }
      }
    }
  }
}

TEST(Actions, PrintedFormFoldsWhatRepeats) {
  StepOptions options = two_blocks(0, 1, 8);
  options.stages = 34;
  const std::string text = print_plan(plan_step(options));
  EXPECT_LT(text.size(), 1200u) << text;
  EXPECT_NE(text.find("finish"), std::string::npos);
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100u);
    begin = end + 1;
  }
}

TEST(Slots, TwoBlocksAndOneTableAreEnough) {
  for (const bool tied : {false, true}) {
    StepOptions options = two_blocks(3, 2, 2);
    options.stages = 8;
    std::vector<int64_t> bytes = {1000, 300, 300, 300, 300, 300, 300, tied ? 16 : 1016};
    if (tied) options.borrows = {{}, {}, {}, {}, {}, {}, {}, {0}};
    const auto actions = plan_step(options);
    const SlotPlan gather = plan_gather_slots(actions, bytes);
    EXPECT_LE(gather.slot_bytes.size(), 3u);
    EXPECT_LE(gather.total(), tied ? 1000 + 600 : 1016 + 300 + 300);
    const SlotPlan gradient = plan_gradient_slots(actions, bytes, options.borrows);
    EXPECT_LE(gradient.total(), tied ? 1000 + 600 : 1016 + 1000);
    EXPECT_NE(gradient.slot_of_stage[3], gradient.slot_of_stage[4]) << "a reduction overlaps with the next backward";
  }
}

}  // namespace
}  // namespace plumb::engine
