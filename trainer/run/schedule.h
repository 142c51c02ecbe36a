// The learning rate as a function of the step.
#pragma once

#include <cstdint>

#include "core/config/config.h"

namespace plumb::run {

// Steps of a span: tokens and percentages are rounded up. `length` is what percentages refer to.
int64_t span_steps(const config::Span& span, int64_t length, int64_t tokens_per_step);

// warm-up: linear, (step + 1) / warmup of the peak, so that the first update is not empty.
// cosine:  min + (peak - min) * (1 + cos(pi * p)) / 2        p = progress between warm-up and horizon (arXiv
// 1608.03983) linear:  peak - (peak - min) * p constant: peak warmup_stable_decay: peak, then linear to min over the
// last `decay` steps (arXiv 2404.06395)
class Schedule {
 public:
  Schedule(const config::ScheduleGroup& group, double peak, int64_t steps, int64_t tokens_per_step);
  double at(int64_t step) const;  // step counts from 0; after the horizon: the minimum (constant: peak)
  int64_t warmup() const { return warmup_; }
  int64_t horizon() const { return horizon_; }
  double minimum() const { return minimum_; }

 private:
  config::ScheduleGroup group_;
  double peak_, minimum_;
  int64_t horizon_, warmup_, decay_;
};

}  // namespace plumb::run
