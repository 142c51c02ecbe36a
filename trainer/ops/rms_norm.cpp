#include "trainer/ops/rms_norm.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

RmsNormOut rms_norm(const at::Tensor& x, const std::optional<at::Tensor>& delta, const at::Tensor& weight, double eps) {
  require_shape(x, {-1, -1}, "rms_norm", "x [T, H]");
  if (delta) require_shape(*delta, {x.size(0), x.size(1)}, "rms_norm", "delta [T, H] as x");
  require_shape(weight, {x.size(1)}, "rms_norm", "weight [H]");
  require(weight.scalar_type() == x.scalar_type(), "rms_norm", "weight of x's dtype", weight);
  require(!delta || delta->scalar_type() == x.scalar_type(), "rms_norm", "delta of x's dtype", delta.value_or(x));
  if (has_cpu_kernel(x)) return cpu::rms_norm(x, delta, weight, eps);
  return composition::rms_norm(x, delta, weight, eps);
}

at::Tensor rms_norm_grad(const at::Tensor& dy, const std::optional<at::Tensor>& dsum_direct, const at::Tensor& sum,
                         const at::Tensor& rstd, const at::Tensor& weight, std::optional<at::Tensor> dweight) {
  require_shape(dy, {-1, -1}, "rms_norm_grad", "dy [T, H]");
  require_shape(sum, {dy.size(0), dy.size(1)}, "rms_norm_grad", "sum [T, H] as dy");
  require_shape(rstd, {dy.size(0)}, "rms_norm_grad", "rstd [T]");
  require_shape(weight, {dy.size(1)}, "rms_norm_grad", "weight [H]");
  if (dsum_direct) require_shape(*dsum_direct, {dy.size(0), dy.size(1)}, "rms_norm_grad", "dsum_direct [T, H] as dy");
  if (dweight) require_shape(*dweight, {dy.size(1)}, "rms_norm_grad", "dweight [H]");
  const at::ScalarType type = dy.scalar_type();
  require(sum.scalar_type() == type && weight.scalar_type() == type, "rms_norm_grad", "sum and weight of dy's dtype",
          sum);
  require(!dsum_direct || dsum_direct->scalar_type() == type, "rms_norm_grad", "dsum_direct of dy's dtype",
          dsum_direct.value_or(dy));
  if (has_cpu_kernel(dy)) return cpu::rms_norm_grad(dy, dsum_direct, sum, rstd, weight, dweight);
  return composition::rms_norm_grad(dy, dsum_direct, sum, rstd, weight, dweight);
}

RmsNormOut composition::rms_norm(const at::Tensor& x, const Optional& delta, const at::Tensor& weight, double eps) {
  at::Tensor sum = delta ? x + *delta : x;
  at::Tensor wide = sum.to(accumulation_type(x));
  at::Tensor rstd = wide.square().mean(1).add_(eps).rsqrt_();
  at::Tensor normalised = (wide * rstd.unsqueeze(1)).to(x.scalar_type());
  return {normalised * weight, sum, rstd};
}

at::Tensor composition::rms_norm_grad(const at::Tensor& dy, const Optional& dsum_direct, const at::Tensor& sum,
                                      const at::Tensor& rstd, const at::Tensor& weight, Optional dweight) {
  const at::ScalarType wide = accumulation_type(dy);
  at::Tensor normalised = sum.to(wide) * rstd.to(wide).unsqueeze(1);
  at::Tensor wide_dy = dy.to(wide);
  if (dweight) dweight->add_((wide_dy * normalised.to(dy.scalar_type())).sum(0));
  at::Tensor scaled = wide_dy * weight.to(wide);
  at::Tensor projection = (scaled * normalised).mean(1, /*keepdim=*/true);
  at::Tensor dsum = (scaled - normalised * projection) * rstd.to(wide).unsqueeze(1);
  if (dsum_direct) dsum.add_(*dsum_direct);
  return dsum.to(dy.scalar_type());
}

}  // namespace plumb::ops
