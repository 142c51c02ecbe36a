#include "trainer/ops/dropout.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/philox.h"
#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {
namespace {

// Philox4x32-10 on int64 tensors that hold 32-bit words; the product of two words wraps to the right 64 bits.
struct Words {
  at::Tensor c0, c1, c2, c3;
};

Words philox(uint64_t key, Words c) {
  constexpr int64_t kMask = 0xFFFFFFFF;
  auto word = [&](uint64_t value) { return static_cast<int64_t>(value & kMask); };
  uint64_t k0 = key & kMask, k1 = key >> 32;
  for (int round = 0; round < 10; ++round) {
    at::Tensor p0 = c.c0 * int64_t{0xD2511F53}, p1 = c.c2 * int64_t{0xCD9E8D57};
    at::Tensor n0 = at::bitwise_xor(at::bitwise_xor(at::bitwise_and(p1.__rshift__(32), kMask), c.c1), word(k0));
    at::Tensor n2 = at::bitwise_xor(at::bitwise_xor(at::bitwise_and(p0.__rshift__(32), kMask), c.c3), word(k1));
    c = {n0, at::bitwise_and(p1, kMask), n2, at::bitwise_and(p0, kMask)};
    k0 = (k0 + 0x9E3779B9u) & kMask;
    k1 = (k1 + 0xBB67AE85u) & kMask;
  }
  return c;
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p) {
  require_shape(x, {-1, -1}, "dropout", "x [T, H]");
  require_shape(row_keys, {x.size(0)}, "dropout", "row_keys [T]");
  require(row_keys.scalar_type() == at::kLong, "dropout", "row_keys int64", row_keys);
  if (!(p >= 0 && p < 1)) fail_internal("dropout: p must lie in [0, 1)");
  if (p == 0) return x.clone();
  if (has_cpu_kernel(x)) return cpu::dropout(x, row_keys, seed, p);
  return composition::dropout(x, row_keys, seed, p);
}

// Element e of a row is word e % 4 of philox(seed, counter = (row key, e / 4)).
at::Tensor composition::dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p) {
  const int64_t rows = x.size(0), groups = (x.size(1) + 3) / 4;
  auto options = x.options().dtype(at::kLong);
  at::Tensor key = row_keys.unsqueeze(1).expand({rows, groups});
  at::Tensor group = at::arange(groups, options).unsqueeze(0).expand({rows, groups});
  const Words bits =
      philox(seed, {at::bitwise_and(key, int64_t{0xFFFFFFFF}), at::bitwise_and(key.__rshift__(32), int64_t{0xFFFFFFFF}),
                    group, at::zeros_like(group)});
  at::Tensor all = at::stack({bits.c0, bits.c1, bits.c2, bits.c3}, 2).view({rows, groups * 4});
  at::Tensor uniform = (all.narrow(1, 0, x.size(1)).__rshift__(8).to(at::kFloat) + 0.5f) * 0x1p-24f;
  at::Tensor kept = uniform >= static_cast<double>(static_cast<float>(p));
  at::Tensor scaled = x.to(accumulation_type(x)) * (1 / (1 - p));
  return at::where(kept, scaled, at::zeros_like(scaled)).to(x.scalar_type());
}

}  // namespace plumb::ops
