#include "trainer/run/mix_plan.h"

#include <fmt/format.h>

#include <cmath>

#include "core/config/values.h"
#include "core/error.h"
#include "trainer/run/length.h"

namespace plumb::run {

namespace {

// A stage begins with a step: the first one that is not before it.
uint64_t first_row(const config::Config& config, const config::Span& from) {
  const auto length = resolve_length(config.train, config.data.sequence_length, 0);
  double steps = from.value;
  if (from.unit == config::Span::Unit::tokens) steps = from.value / static_cast<double>(length.tokens_per_step);
  if (from.unit == config::Span::Unit::percent) steps = from.value / 100 * static_cast<double>(length.steps);
  const double whole = std::ceil(steps - 1e-9 * std::max(1.0, steps));
  if (!(whole >= 0) || whole > 1e15) fail_input("data.curriculum", "a stage begins after more steps than any run has");
  return static_cast<uint64_t>(whole) * static_cast<uint64_t>(length.rows_per_step);
}

}  // namespace

std::vector<data::PlanSegment> mix_plan(const config::Config& config) {
  data::PlanSegment segment;
  for (const auto& source : config.data.sources) {
    if (source.weight) segment.weights.push_back(*source.weight);
  }
  const bool weighted = !segment.weights.empty();
  if (!weighted) segment.weights = {1};
  segment.replay_share = config.data.replay ? config.data.replay->share : 0;
  std::vector<data::PlanSegment> plan = {segment};
  for (size_t i = 0; i < config.data.curriculum.size(); ++i) {
    const auto& stage = config.data.curriculum[i];
    segment.from_row = first_row(config, stage.from);
    for (size_t s = 0; s < config.data.sources.size(); ++s) {
      segment.weights[s] = *config::read_number(stage.weights.at(config.data.sources[s].name)).value;
    }
    if (stage.replay) segment.replay_share = *stage.replay;
    if (segment.from_row <= plan.back().from_row) {
      fail_input(fmt::format("data.curriculum[{}].from", i),
                 fmt::format("{} begins with sequence {}, not after the stage before it, which begins with {}",
                             config::write_span(stage.from), segment.from_row, plan.back().from_row),
                 "write the stages in the order of their beginning, at least one step apart");
    }
    plan.push_back(segment);
  }
  return plan;
}

}  // namespace plumb::run
