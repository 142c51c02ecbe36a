#include "trainer/evaluate/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>

#include "core/error.h"
#include "core/philox.h"

namespace plumb::evaluate {
namespace {

constexpr int kResamples = 2000;
constexpr uint64_t kSeed = 42;  // the same for every set and model: a table printed twice is the same table

// Calls `use` with kResamples draws of n indices.
template <class Use>
void resample(size_t n, Use use) {
  const uint64_t key = core::random_key(kSeed, core::RandomPurpose::bootstrap);
  std::vector<uint32_t> indices(n);
  for (uint64_t round = 0; round < kResamples; ++round) {
    for (size_t i = 0; i < n; i += 4) {
      const auto bits = core::philox(key, i / 4, round);
      for (size_t k = 0; k < 4 && i + k < n; ++k) {
        indices[i + k] = static_cast<uint32_t>((uint64_t{bits.x[k]} * n) >> 32);
      }
    }
    use(indices);
  }
}

double resampled_value(const Score& score, const std::vector<uint32_t>& indices) {
  double sum = 0, weight = 0;
  for (const uint32_t i : indices) {
    sum += score.item_sums[i];
    weight += score.item_weights[i];
  }
  return metric_value(score.metric, sum, weight);
}

Interval percentiles(std::vector<double> values, double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2;
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {at(tail), at(1 - tail)};
}

// z of a normal deviate that lies within +-z with this probability.
double two_sided_z(double confidence) {
  double low = 0, high = 40;  // erfc is 0 long before
  for (int halving = 0; halving < 100; ++halving) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::numbers::sqrt2) > 1 - confidence ? low : high) = middle;
  }
  return low;
}

// Items that all agree resample to themselves and would claim an interval of nothing. Wilson's interval (1927) of a
// share that was 0 or n of n says how far off it may be; half_width() is how far it reaches from `value`.
std::optional<Interval> unanimous(const std::string& metric, const std::vector<double>& items, double value,
                                  double confidence) {
  const bool alike = std::all_of(items.begin(), items.end(), [&](double item) { return item == items.front(); });
  if (!in_points(metric) || items.empty() || !alike) return std::nullopt;
  const double z = two_sided_z(confidence), n = static_cast<double>(items.size());
  const double reach = 100 * z * z / (n + z * z);
  return Interval{value - reach, value + reach};
}

}  // namespace

bool is_choice(const std::string& metric) { return metric == "multiple_choice" || metric == "multiple_choice_norm"; }

bool in_points(const std::string& metric) { return metric == "exact_match" || is_choice(metric); }

double metric_value(const std::string& metric, double sum, double weight) {
  const double mean = weight > 0 ? sum / weight : 0;
  if (in_points(metric)) return 100 * mean;
  return metric == "perplexity" ? std::exp(mean) : mean;
}

Interval bootstrap(const Score& score, double confidence) {
  if (const auto wilson = unanimous(score.metric, score.item_sums, score.value, confidence)) return *wilson;
  std::vector<double> values;
  resample(score.item_sums.size(), [&](const auto& indices) { values.push_back(resampled_value(score, indices)); });
  return percentiles(std::move(values), confidence);
}

Interval paired_bootstrap(const Score& base, const Score& tuned, double confidence) {
  if (base.metric != tuned.metric || base.item_sums.size() != tuned.item_sums.size()) {
    fail_input(base.name, "the two models were not scored on the same items with the same metric");
  }
  std::vector<double> changes;
  for (size_t i = 0; i < base.item_sums.size(); ++i) changes.push_back(tuned.item_sums[i] - base.item_sums[i]);
  if (const auto wilson = unanimous(base.metric, changes, tuned.value - base.value, confidence)) return *wilson;
  std::vector<double> values;
  resample(base.item_sums.size(), [&](const auto& indices) {
    values.push_back(resampled_value(tuned, indices) - resampled_value(base, indices));
  });
  return percentiles(std::move(values), confidence);
}

}  // namespace plumb::evaluate
