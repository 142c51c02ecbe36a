// Rotary position embedding, half-split layout ("NeoX", all Hugging Face checkpoints), arXiv 2104.09864.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace plumb::ops {

// inv_freq[i] = theta^(-2i/head_dim), fp64 maths, i < head_dim/2; llama3 scaling as transformers
// modeling_rope_utils.py.
struct Llama3Scaling {
  double factor, low_freq_factor, high_freq_factor, original_max_position_embeddings;
};
std::vector<float> rope_inverse_frequencies(int64_t head_dim, double theta,
                                            const std::optional<Llama3Scaling>& scaling);

// cos and sin of positions x inv_freq, fp32 [max_positions, head_dim/2] each.
struct RopeTable {
  at::Tensor cos, sin;
};
RopeTable rope_table(const std::vector<float>& inv_freq, int64_t max_positions, at::Device device);

// Rotates in place the first `heads` heads of head_dim of every row of x [T, row_stride]: x may be the q|k part of a
// packed qkv row. positions int32 [T]. inverse = true gives the gradient (rotation by the negative angle).
void rope_(at::Tensor x, int64_t heads, int64_t head_dim, const at::Tensor& positions, const RopeTable& table,
           bool inverse = false);

}  // namespace plumb::ops
