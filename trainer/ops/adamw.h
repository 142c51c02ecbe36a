// AdamW (arXiv 1711.05101) over a flat shard, one pass: master, moments and the compute copy.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace plumb::ops {

// Elements [begin, end) of the flat shard share a weight decay.
struct DecaySpan {
  int64_t begin, end;
  bool decay;
};
// What varies by step stands in one fp32 tensor on the device (fixed addresses, no host synchronisation):
//   [0] learning rate  [1] 1 - beta1^t  [2] 1 - beta2^t  [3] gradient scale (clipping, normaliser)
struct AdamWOptions {
  double beta1, beta2, eps, weight_decay;
};
// w -= lr * (m^/(sqrt(v^) + eps) + decay * w), m and v of grad * scale. All fp32 [n]; compute copy (bf16 or fp32) [n]
// is written when given.
void adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, std::optional<at::Tensor> compute,
            const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options);

// Sum of squares in fp64 over fixed 64 Ki-element chunks, joined in index order: the same bits for any split of the
// buffer at chunk borders. Returns a 0-dim fp64 tensor on the device.
inline constexpr int64_t kNormChunk = 64 * 1024;
at::Tensor sum_of_squares(const at::Tensor& grad);
// Its two halves, for a buffer that several ranks hold: fp64 [chunks] of a part that begins at a chunk border, and the
// sum of all parts' chunks joined in index order. Sums of parts must not be added instead: that depends on the split.
at::Tensor chunk_sums_of_squares(const at::Tensor& grad);
at::Tensor join_chunk_sums(const at::Tensor& sums);

}  // namespace plumb::ops
