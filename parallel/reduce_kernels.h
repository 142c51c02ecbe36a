// Sums in the order of ranks over raw memory: the one place that decides the bits of every CPU reduction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "parallel/communicator.h"

namespace plumb::parallel {

// ReduceOptions made definite for one tensor dtype.
struct Reduction {
  Sum op = Sum::sum;
  at::ScalarType input = at::kFloat;   // what the inputs hold
  at::ScalarType output = at::kFloat;  // what the outputs get
  at::ScalarType sum = at::kFloat;
  bool round_bf16 = false;  // inputs are rounded to bf16 first, as if they had travelled so
};

// Error(internal) for a combination that no kernel has.
Reduction resolve_reduction(at::ScalarType dtype, const ReduceOptions& options);

// outputs[*][i] = inputs[0][i] + inputs[1][i] + ..., for i < elements. An output may be one of the inputs.
void reduce_in_order(const Reduction& reduction, const std::vector<const std::byte*>& inputs,
                     const std::vector<std::byte*>& outputs, int64_t elements);

// fp32 -> bf16, nearest even.
void narrow_to_bf16(const float* input, uint16_t* output, int64_t elements);

}  // namespace plumb::parallel
