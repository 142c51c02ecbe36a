#include <ATen/ATen.h>

#include "core/philox.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

void drop_row(float* row, int64_t width, uint64_t seed, uint64_t key, float p, float scale) {
  for (int64_t e = 0; e < width; e += 4) {
    const core::Philox4 bits = core::philox(seed, key, static_cast<uint64_t>(e / 4));
    for (int64_t j = 0; j < 4 && e + j < width; ++j) {
      row[e + j] = core::uniform01(bits.x[j]) >= p ? row[e + j] * scale : 0.0f;
    }
  }
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p) {
  const int64_t width = x.size(1);
  at::Tensor y = x.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  const float scale = static_cast<float>(1 / (1 - p));
  parallel_for(x.size(0), row_grain(8 * width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      drop_row(data<float>(y) + t * width, width, seed, static_cast<uint64_t>(data<int64_t>(row_keys)[t]),
               static_cast<float>(p), scale);
    }
  });
  return y.to(x.scalar_type());
}

}  // namespace plumb::ops::cpu
