#include "trainer/run/length.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/config/values.h"
#include "core/error.h"

namespace plumb::run {

Length resolve_length(const config::TrainSection& train, int64_t sequence_length, double rows_per_epoch) {
  Length length;
  length.rows_per_step = train.global_batch_size;
  length.tokens_per_step = train.global_batch_size * sequence_length;
  length.rows_per_epoch = rows_per_epoch;
  if (train.steps) {
    length.steps = *train.steps;
  } else if (train.tokens) {
    length.steps = (*train.tokens + length.tokens_per_step - 1) / length.tokens_per_step;
  } else if (train.epochs) {
    const double steps = *train.epochs * rows_per_epoch / static_cast<double>(length.rows_per_step);
    const auto most = config::kMostPositions / length.tokens_per_step;
    if (!(steps <= static_cast<double>(most))) {
      fail_input("train.epochs", fmt::format("expected a length of at most {} steps of {} tokens, found {:g} steps",
                                             most, length.tokens_per_step, steps));
    }
    length.steps = static_cast<int64_t>(std::ceil(steps - 1e-9 * std::max(1.0, steps)));
  }
  if (length.steps < 1)
    fail_input("train", "expected a length of at least one step", "set train.steps, tokens or epochs");
  return length;
}

Cadence::Cadence(config::Interval interval, const Length& length) : interval_(interval) {
  using Unit = config::Interval::Unit;
  if (interval.unit == Unit::steps) steps_each_ = interval.value;
  if (interval.unit == Unit::tokens) steps_each_ = interval.value / static_cast<double>(length.tokens_per_step);
  if (interval.unit == Unit::epochs) {
    steps_each_ = interval.value * length.rows_per_epoch / static_cast<double>(length.rows_per_step);
  }
}

bool Cadence::due(int64_t done) const {
  if (steps_each_ <= 0) return false;
  const auto passed = [&](int64_t steps) { return std::floor(static_cast<double>(steps) / steps_each_ + 1e-9); };
  return passed(done) > passed(done - 1);
}

bool Cadence::due_by_clock(double seconds) {
  if (!timed() || seconds - last_ < interval_.value) return false;
  last_ = seconds;
  return true;
}

std::pair<int64_t, int64_t> rank_rows(int64_t global_rows, int rank, int ranks) {
  const int64_t base = global_rows / ranks, extra = global_rows % ranks;
  const int64_t first = base * rank + std::min<int64_t>(rank, extra);
  return {first, base + (rank < extra ? 1 : 0)};
}

std::vector<int64_t> micro_batches(int64_t rows, int64_t micro_batch_size) {
  std::vector<int64_t> sizes;
  for (int64_t left = rows; left > 0; left -= micro_batch_size) sizes.push_back(std::min(left, micro_batch_size));
  return sizes;
}

data::Slice rank_slice(uint64_t first, int64_t global_rows, int rank, int ranks, int64_t micro_batch_size) {
  const auto [offset, count] = rank_rows(global_rows, rank, ranks);
  return {first + static_cast<uint64_t>(offset), micro_batches(count, micro_batch_size)};
}

}  // namespace plumb::run
