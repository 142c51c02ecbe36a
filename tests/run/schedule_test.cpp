#include "trainer/run/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace plumb::run {
namespace {

using config::Relative;
using config::Span;

config::ScheduleGroup group(const std::string& name, double warmup_steps) {
  config::ScheduleGroup g;
  g.name = name;
  g.warmup = {Span::Unit::steps, warmup_steps};
  g.min_learning_rate = {10, true};
  return g;
}

TEST(Schedule, WarmsUpLinearlyAndNeverStartsAtZero) {
  const Schedule schedule(group("cosine", 4), 1.0, 100, 1000);
  EXPECT_DOUBLE_EQ(schedule.at(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(3), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(4), 1.0);
}

TEST(Schedule, CosineIsHalfWayInTheMiddleAndEndsAtTheMinimum) {
  const Schedule schedule(group("cosine", 0), 2.0, 100, 1000);
  EXPECT_NEAR(schedule.at(50), (2.0 + 0.2) / 2, 1e-12);
  EXPECT_NEAR(schedule.at(25), 0.2 + 1.8 * (1 + std::cos(std::numbers::pi / 4)) / 2, 1e-12);
  EXPECT_NEAR(schedule.at(100), 0.2, 1e-12);
  EXPECT_NEAR(schedule.at(500), 0.2, 1e-12);
}

TEST(Schedule, LinearAndConstant) {
  const Schedule linear(group("linear", 10), 1.0, 110, 1000);
  EXPECT_NEAR(linear.at(60), 1.0 - 0.9 * 0.5, 1e-12);
  const Schedule constant(group("constant", 10), 1.0, 110, 1000);
  EXPECT_DOUBLE_EQ(constant.at(109), 1.0);
  EXPECT_DOUBLE_EQ(constant.at(10000), 1.0);
}

TEST(Schedule, StableUntilTheDecayBegins) {
  auto g = group("warmup_stable_decay", 10);
  g.decay = {Span::Unit::percent, 20};
  const Schedule schedule(g, 1.0, 100, 1000);
  EXPECT_DOUBLE_EQ(schedule.at(79), 1.0);
  EXPECT_DOUBLE_EQ(schedule.at(80), 1.0);
  EXPECT_NEAR(schedule.at(90), 0.55, 1e-12);
  EXPECT_NEAR(schedule.at(100), 0.1, 1e-12);
}

TEST(Schedule, HorizonMayLieBeyondTheRun) {
  auto g = group("cosine", 0);
  g.length = Span{Span::Unit::tokens, 200'000};
  const Schedule schedule(g, 1.0, 100, 1000);
  EXPECT_EQ(schedule.horizon(), 200);
  EXPECT_NEAR(schedule.at(100), 0.55, 1e-12);
}

TEST(Schedule, SpansRoundUp) {
  EXPECT_EQ(span_steps({Span::Unit::percent, 3}, 100, 1), 3);
  EXPECT_EQ(span_steps({Span::Unit::percent, 3}, 101, 1), 4);
  EXPECT_EQ(span_steps({Span::Unit::tokens, 2001}, 0, 1000), 3);
  EXPECT_EQ(span_steps({Span::Unit::steps, 7}, 0, 1000), 7);
}

TEST(Schedule, RefusesWarmupLongerThanTheRun) { EXPECT_THROW(Schedule(group("cosine", 101), 1.0, 100, 1000), Error); }

TEST(Schedule, RefusesMinimumAboveThePeak) {
  auto g = group("cosine", 1);
  g.min_learning_rate = Relative{2.0, false};
  EXPECT_THROW(Schedule(g, 1.0, 100, 1000), Error);
}

}  // namespace
}  // namespace plumb::run
