#include "trainer/ops/swiglu.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

at::Tensor swiglu(const at::Tensor& gate_up) {
  require_shape(gate_up, {-1, -1}, "swiglu", "gate_up [T, 2F]");
  require(gate_up.size(1) % 2 == 0, "swiglu", "gate_up with an even number of columns", gate_up);
  if (has_cpu_kernel(gate_up)) return cpu::swiglu(gate_up);
  return composition::swiglu(gate_up);
}

at::Tensor swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up) {
  require_shape(dy, {-1, -1}, "swiglu_grad", "dy [T, F]");
  require_shape(gate_up, {dy.size(0), 2 * dy.size(1)}, "swiglu_grad", "gate_up [T, 2F]");
  require(dy.scalar_type() == gate_up.scalar_type(), "swiglu_grad", "dy of gate_up's dtype", dy);
  if (has_cpu_kernel(gate_up)) return cpu::swiglu_grad(dy, gate_up);
  return composition::swiglu_grad(dy, gate_up);
}

at::Tensor composition::swiglu(const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  const at::ScalarType wide = accumulation_type(gate_up);
  at::Tensor gate = gate_up.narrow(1, 0, width).to(wide), up = gate_up.narrow(1, width, width).to(wide);
  return (at::silu(gate) * up).to(gate_up.scalar_type());
}

at::Tensor composition::swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  const at::ScalarType wide = accumulation_type(gate_up);
  at::Tensor gate = gate_up.narrow(1, 0, width).to(wide), up = gate_up.narrow(1, width, width).to(wide);
  at::Tensor sigmoid = at::sigmoid(gate), wide_dy = dy.to(wide);
  at::Tensor dgate = wide_dy * up * sigmoid * (1 + gate * (1 - sigmoid));
  at::Tensor dup = wide_dy * gate * sigmoid;
  return at::cat({dgate, dup}, 1).to(gate_up.scalar_type());
}

}  // namespace plumb::ops
