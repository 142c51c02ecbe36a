#include "trainer/generate/sample.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/philox.h"

namespace plumb::generate {
namespace {

// 53 bits in [0, 1).
double uniform(uint64_t seed, uint64_t sequence, uint64_t position) {
  const auto bits = core::philox(core::random_key(seed, core::RandomPurpose::sampling), position, sequence);
  const uint64_t word = (uint64_t{bits.x[0]} << 32) | bits.x[1];
  return static_cast<double>(word >> 11) * 0x1p-53;
}

}  // namespace

int32_t choose(std::span<const float> logits, double temperature, uint64_t seed, uint64_t sequence, uint64_t position) {
  if (logits.empty()) fail_internal("sampling from no logits");
  for (const float logit : logits) {
    if (!std::isfinite(logit)) {
      throw Error(ExitCode::numerics, "the model gives logits that are not finite", "",
                  "the weights are damaged or the training diverged; use an earlier step");
    }
  }
  const auto largest = std::max_element(logits.begin(), logits.end());
  if (temperature <= 0) return static_cast<int32_t>(largest - logits.begin());
  const auto weight = [&](float logit) { return std::exp((static_cast<double>(logit) - *largest) / temperature); };
  double total = 0;
  for (const float logit : logits) total += weight(logit);
  const double target = uniform(seed, sequence, position) * total;
  double reached = 0;
  size_t last = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double w = weight(logits[i]);
    if (w <= 0) continue;
    reached += w;
    last = i;
    if (reached > target) break;
  }
  return static_cast<int32_t>(last);
}

}  // namespace plumb::generate
