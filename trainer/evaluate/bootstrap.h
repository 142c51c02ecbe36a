// Intervals by seeded bootstrap over items (Efron 1979; percentile form); of a share whose items all agree, Wilson's.
#pragma once

#include <string>

#include "trainer/evaluate/sets.h"

namespace plumb::evaluate {

struct Interval {
  double low = 0, high = 0;
  double half_width() const { return (high - low) / 2; }
};

// The metric from the sum of item sums and the sum of item weights.
double metric_value(const std::string& metric, double sum, double weight);
bool is_choice(const std::string& metric);  // a choice out of several by likelihood
bool in_points(const std::string& metric);  // a share of items, 0 to 100

Interval bootstrap(const Score&, double confidence);
// Of value(tuned) - value(base); items are drawn in pairs. The two must have scored the same items.
Interval paired_bootstrap(const Score& base, const Score& tuned, double confidence);

}  // namespace plumb::evaluate
