#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "trainer/evaluate/sets.h"

namespace plumb::evaluate {
namespace {

const Score* find(const std::vector<Score>& scores, const std::string& metric) {
  for (const auto& score : scores) {
    if (score.name + "." + score.metric == metric) return &score;
  }
  return nullptr;
}

std::string shown(const config::Relative& relative) {
  return fmt::format("{:g}{}", relative.value, relative.percent ? "%" : "");
}

// The amount of a rule in the metric's own unit.
double amount(const config::Relative& relative, double base) {
  return relative.percent ? std::abs(base) * relative.value / 100 : relative.value;
}

}  // namespace

nlohmann::ordered_json RuleOutcome::json() const {
  return {{"metric", metric}, {"rule", rule}, {"passed", passed}, {"change", change}};
}

RuleOutcome RuleOutcome::from_json(const nlohmann::ordered_json& json) {
  return {json.at("metric").get<std::string>(), json.at("rule").get<std::string>(), json.at("passed").get<bool>(),
          json.at("change").get<double>()};
}

std::vector<RuleOutcome> apply_rules(const std::vector<config::PassRule>& rules, const std::vector<Score>& base,
                                     const std::vector<Score>& tuned) {
  std::vector<RuleOutcome> outcomes;
  for (const auto& rule : rules) {
    const Score* now = find(tuned, rule.metric);
    if (!now) {
      std::string known;
      for (const auto& score : tuned) known += (known.empty() ? "" : ", ") + score.name + "." + score.metric;
      fail_input("eval.pass", "no set gives the metric " + rule.metric, known.empty() ? "" : "found " + known);
    }
    const Score* before = find(base, rule.metric);
    if (!before && (rule.min_gain || rule.max_loss)) {
      fail_input("eval.pass", rule.metric + ": min_gain and max_loss need a base to compare with",
                 "eval.before: true, or the rule `min`");
    }
    const double then = before ? before->value : 0;
    const double change = before ? now->value - then : 0;
    const double gain = larger_is_better(now->metric) ? change : -change;
    const double slack = 1e-9 * std::max(1.0, std::abs(then));  // 1 % of 0.8 is not exact in binary
    if (rule.min) {
      if (!larger_is_better(now->metric)) {
        fail_input("eval.pass", rule.metric + ": min has no meaning where less is better",
                   "min_gain or max_loss compare with the base");
      }
      outcomes.push_back({rule.metric, fmt::format("min {:g}", *rule.min), now->value >= *rule.min, change});
    }
    if (rule.min_gain) {
      outcomes.push_back(
          {rule.metric, "min_gain " + shown(*rule.min_gain), gain >= amount(*rule.min_gain, then) - slack, change});
    }
    if (rule.max_loss) {
      outcomes.push_back(
          {rule.metric, "max_loss " + shown(*rule.max_loss), -gain <= amount(*rule.max_loss, then) + slack, change});
    }
  }
  return outcomes;
}

}  // namespace plumb::evaluate
