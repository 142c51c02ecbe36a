#include "trainer/run/length.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"

namespace plumb::run {
namespace {

using config::Interval;

config::TrainSection section(int64_t batch) {
  config::TrainSection train;
  train.global_batch_size = batch;
  return train;
}

TEST(Length, TokensRoundUpToSteps) {
  auto train = section(512);
  train.tokens = 20'000'000'000;
  EXPECT_EQ(resolve_length(train, 2048, 0).steps, 19074);  // the figure of the documented example
}

TEST(Length, EpochsCountPackedRows) {
  auto train = section(8);
  train.epochs = 2;
  const auto length = resolve_length(train, 64, 101);
  EXPECT_EQ(length.steps, 26);  // 202 rows / 8
  EXPECT_NEAR(length.epochs(), 26 * 8 / 101.0, 1e-12);
}

TEST(Length, ExactEpochIsNotRoundedUp) {
  auto train = section(8);
  train.epochs = 3;
  EXPECT_EQ(resolve_length(train, 64, 80).steps, 30);
}

TEST(Length, MoreTokensThanARunCanCountAreRefused) {
  auto train = section(1'000'000);
  train.epochs = 1e9;
  EXPECT_EQ(resolve_length(train, 2048, 1000).steps, 1'000'000);
  try {
    resolve_length(train, 2048, 1e15);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_STREQ(error.what(),
                 "train.epochs: error: expected a length of at most 2251799813 steps of 2048000000 tokens, found 1e+18 "
                 "steps");
  }
}

TEST(Cadence, StepsTokensAndEpochs) {
  const Length length{.steps = 100, .rows_per_step = 10, .tokens_per_step = 1000, .rows_per_epoch = 25};
  Cadence steps({Interval::Unit::steps, 4}, length);
  EXPECT_FALSE(steps.due(3));
  EXPECT_TRUE(steps.due(4));
  Cadence tokens({Interval::Unit::tokens, 2500}, length);
  EXPECT_FALSE(tokens.due(2));
  EXPECT_TRUE(tokens.due(3));  // 3,000 tokens have passed 2,500
  EXPECT_FALSE(tokens.due(4));
  EXPECT_TRUE(tokens.due(5));
  Cadence epochs({Interval::Unit::epochs, 1}, length);
  EXPECT_TRUE(epochs.due(3));
  EXPECT_FALSE(epochs.due(4));
  EXPECT_TRUE(epochs.due(5));
  Cadence none({Interval::Unit::none, 0}, length);
  EXPECT_FALSE(none.due(100));
}

TEST(Cadence, ClockFiresOnceAnInterval) {
  Cadence timed({Interval::Unit::seconds, 10}, {});
  EXPECT_FALSE(timed.due_by_clock(9.9));
  EXPECT_TRUE(timed.due_by_clock(10.5));
  EXPECT_FALSE(timed.due_by_clock(11));
  EXPECT_TRUE(timed.due_by_clock(20.5));
  EXPECT_FALSE(timed.due(10));
}

TEST(RankRows, CoverTheBatchOnceAndDifferByAtMostOne) {
  for (int ranks = 1; ranks <= 9; ++ranks) {
    for (int64_t rows = ranks; rows < 40; ++rows) {
      int64_t next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto [first, count] = rank_rows(rows, rank, ranks);
        EXPECT_EQ(first, next);
        EXPECT_GE(count, rows / ranks);
        EXPECT_LE(count, rows / ranks + 1);
        next += count;
      }
      EXPECT_EQ(next, rows);
    }
  }
}

TEST(MicroBatches, AddUp) {
  const auto sizes = micro_batches(10, 4);
  EXPECT_EQ(sizes, (std::vector<int64_t>{4, 4, 2}));
  EXPECT_TRUE(micro_batches(0, 4).empty());
}

}  // namespace
}  // namespace plumb::run
