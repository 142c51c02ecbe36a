// One token from logits. A pure function of (seed, sequence, position): the same on any batch and any rank.
#pragma once

#include <cstdint>
#include <span>

namespace plumb::generate {

// temperature 0: the largest logit, the smallest id among equals. Otherwise drawn from softmax(logits / temperature).
// Logits that are not finite: Error(numerics).
int32_t choose(std::span<const float> logits, double temperature, uint64_t seed, uint64_t sequence, uint64_t position);

}  // namespace plumb::generate
