// Inverted dropout whose mask is a function of a key, so that nothing is saved: element e of row with key k is kept
// when philox(key, k, e) >= p. x [T, H]; row_keys int64 [T] = (seed, purpose, step, global row, position, layer)
// hashed.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace plumb::ops {

at::Tensor dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p);  // its own gradient too

}  // namespace plumb::ops
