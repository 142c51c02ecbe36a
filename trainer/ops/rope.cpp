#include "trainer/ops/rope.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

std::vector<float> rope_inverse_frequencies(int64_t head_dim, double theta,
                                            const std::optional<Llama3Scaling>& scaling) {
  if (head_dim <= 0 || head_dim % 2 != 0) fail_internal("rope: head_dim must be even and positive");
  std::vector<float> inv_freq(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    if (scaling) {
      const double context = scaling->original_max_position_embeddings;
      const double wavelength = 2 * std::numbers::pi / frequency;
      const double low = scaling->low_freq_factor, high = scaling->high_freq_factor;
      if (wavelength > context / low) {
        frequency /= scaling->factor;
      } else if (wavelength >= context / high) {
        const double smooth = (context / wavelength - low) / (high - low);
        frequency = (1 - smooth) * frequency / scaling->factor + smooth * frequency;
      }
    }
    inv_freq[i] = static_cast<float>(frequency);
  }
  return inv_freq;
}

RopeTable rope_table(const std::vector<float>& inv_freq, int64_t max_positions, at::Device device) {
  const int64_t half = static_cast<int64_t>(inv_freq.size());
  RopeTable table{at::empty({max_positions, half}, at::kFloat), at::empty({max_positions, half}, at::kFloat)};
  float* cosine = table.cos.data_ptr<float>();
  float* sine = table.sin.data_ptr<float>();
  for (int64_t p = 0; p < max_positions; ++p) {
    for (int64_t i = 0; i < half; ++i) {
      // The product is rounded to fp32 before the sine, as transformers does: at position 100000 this is visible.
      const double angle = static_cast<float>(p) * inv_freq[static_cast<size_t>(i)];
      cosine[p * half + i] = static_cast<float>(std::cos(angle));
      sine[p * half + i] = static_cast<float>(std::sin(angle));
    }
  }
  return {table.cos.to(device), table.sin.to(device)};
}

void rope_(at::Tensor x, int64_t heads, int64_t head_dim, const at::Tensor& positions, const RopeTable& table,
           bool inverse) {
  require(x.dim() == 2 && x.stride(1) == 1 && x.size(1) >= heads * head_dim, "rope", "x [T, >= heads * head_dim]", x);
  require_shape(positions, {x.size(0)}, "rope", "positions [T]");
  require(positions.scalar_type() == at::kInt, "rope", "positions int32", positions);
  require_shape(table.cos, {-1, head_dim / 2}, "rope", "cos [max_positions, head_dim / 2]");
  require_shape(table.sin, {table.cos.size(0), head_dim / 2}, "rope", "sin as cos");
  if (has_cpu_kernel(x)) return cpu::rope_(x, heads, head_dim, positions, table, inverse);
  composition::rope_(x, heads, head_dim, positions, table, inverse);
}

void composition::rope_(at::Tensor x, int64_t heads, int64_t head_dim, const at::Tensor& positions,
                        const RopeTable& table, bool inverse) {
  const at::ScalarType wide = accumulation_type(x);
  at::Tensor cosine = table.cos.index_select(0, positions).to(wide).unsqueeze(1);
  at::Tensor sine = table.sin.index_select(0, positions).to(wide).unsqueeze(1);
  if (inverse) sine = -sine;
  at::Tensor pairs = x.narrow(1, 0, heads * head_dim).unflatten(1, {heads, 2, head_dim / 2});
  at::Tensor first = pairs.select(2, 0).to(wide, /*non_blocking=*/false, /*copy=*/true);
  at::Tensor second = pairs.select(2, 1).to(wide, /*non_blocking=*/false, /*copy=*/true);
  pairs.select(2, 0).copy_(first * cosine - second * sine);
  pairs.select(2, 1).copy_(second * cosine + first * sine);
}

}  // namespace plumb::ops
