#include "trainer/run/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace plumb::run {

int64_t span_steps(const config::Span& span, int64_t length, int64_t tokens_per_step) {
  double steps = span.value;
  if (span.unit == config::Span::Unit::tokens) steps = span.value / static_cast<double>(tokens_per_step);
  if (span.unit == config::Span::Unit::percent) steps = span.value / 100.0 * static_cast<double>(length);
  // 3% of 100 is 3, although 0.03 * 100 is a little more in floating point.
  return static_cast<int64_t>(std::ceil(steps - 1e-9 * std::max(1.0, steps)));
}

Schedule::Schedule(const config::ScheduleGroup& group, double peak, int64_t steps, int64_t tokens_per_step)
    : group_(group), peak_(peak) {
  minimum_ =
      group.min_learning_rate.percent ? peak * group.min_learning_rate.value / 100.0 : group.min_learning_rate.value;
  horizon_ = group.length ? span_steps(*group.length, steps, tokens_per_step) : steps;
  warmup_ = span_steps(group.warmup, horizon_, tokens_per_step);
  decay_ = span_steps(group.decay, horizon_, tokens_per_step);
  if (warmup_ > horizon_) {
    fail_input("train.schedule.warmup", fmt::format("expected at most the run's {} steps, found {}", horizon_, warmup_),
               "a shorter warm-up, or a longer run");
  }
  if (minimum_ > peak_) {
    fail_input("train.schedule.min_learning_rate",
               fmt::format("expected at most train.learning_rate {}, found {}", peak_, minimum_),
               "a percentage such as 10% follows the peak");
  }
}

double Schedule::at(int64_t step) const {
  if (step < warmup_) return peak_ * static_cast<double>(step + 1) / static_cast<double>(warmup_);
  if (group_.name == "constant") return peak_;
  int64_t begin = warmup_;
  if (group_.name == "warmup_stable_decay") begin = std::max(warmup_, horizon_ - decay_);
  if (step < begin) return peak_;
  const double length = static_cast<double>(std::max<int64_t>(1, horizon_ - begin));
  const double progress = std::min(1.0, static_cast<double>(step - begin) / length);
  if (group_.name == "cosine")
    return minimum_ + (peak_ - minimum_) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return peak_ - (peak_ - minimum_) * progress;
}

}  // namespace plumb::run
