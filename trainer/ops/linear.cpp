#include "trainer/ops/linear.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

void linear_out(at::Tensor y, const at::Tensor& x, const at::Tensor& weight) {
  require_shape(x, {-1, -1}, "linear", "x [T, I]");
  require_shape(weight, {-1, x.size(1)}, "linear", "weight [O, I]");
  require_shape(y, {x.size(0), weight.size(0)}, "linear", "y [T, O]");
  require(weight.scalar_type() == x.scalar_type(), "linear", "weight of x's dtype", weight);
  require(y.scalar_type() == x.scalar_type(), "linear", "y of x's dtype", y);
  if (has_cpu_kernel(x)) {
    cpu::linear_out(y, x, weight);
  } else {
    at::mm_out(y, x, weight.t());
  }
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight) {
  require_shape(x, {-1, -1}, "linear", "x [T, I]");
  require_shape(weight, {-1, x.size(1)}, "linear", "weight [O, I]");
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  ops::linear_out(y, x, weight);
  return y;
}

at::Tensor linear_grad_input(const at::Tensor& dy, const at::Tensor& weight) {
  require_shape(dy, {-1, -1}, "linear_grad_input", "dy [T, O]");
  require_shape(weight, {dy.size(1), -1}, "linear_grad_input", "weight [O, I]");
  require(weight.scalar_type() == dy.scalar_type(), "linear_grad_input", "weight of dy's dtype", weight);
  if (has_cpu_kernel(dy)) return cpu::linear_grad_input(dy, weight);
  return composition::linear_grad_input(dy, weight);
}

void linear_grad_weight_(at::Tensor dweight, const at::Tensor& dy, const at::Tensor& x) {
  require_shape(dy, {-1, -1}, "linear_grad_weight", "dy [T, O]");
  require_shape(x, {dy.size(0), -1}, "linear_grad_weight", "x [T, I]");
  require_shape(dweight, {dy.size(1), x.size(1)}, "linear_grad_weight", "dweight [O, I]");
  require(dy.scalar_type() == x.scalar_type(), "linear_grad_weight", "dy of x's dtype", dy);
  if (has_cpu_kernel(dy) && dweight.scalar_type() == at::kFloat) return cpu::linear_grad_weight_(dweight, dy, x);
  composition::linear_grad_weight_(dweight, dy, x);
}

at::Tensor composition::linear(const at::Tensor& x, const at::Tensor& weight) { return at::mm(x, weight.t()); }

at::Tensor composition::linear_grad_input(const at::Tensor& dy, const at::Tensor& weight) { return at::mm(dy, weight); }

void composition::linear_grad_weight_(at::Tensor dweight, const at::Tensor& dy, const at::Tensor& x) {
  if (dy.is_cuda() && dy.scalar_type() == at::kBFloat16) {
    dweight.add_(at::mm(dy.t(), x, at::kFloat));  // out_dtype: the sum leaves the tensor cores in fp32
  } else {
    dweight.addmm_(dy.t().to(dweight.scalar_type()), x.to(dweight.scalar_type()));
  }
}

}  // namespace plumb::ops
