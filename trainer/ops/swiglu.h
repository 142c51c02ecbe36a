// silu(gate) * up (arXiv 2002.05202). gate_up [T, 2F]: a row is gate | up.
#pragma once
#include <ATen/core/Tensor.h>

namespace plumb::ops {

at::Tensor swiglu(const at::Tensor& gate_up);                             // [T, F]
at::Tensor swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up);  // [T, 2F]

}  // namespace plumb::ops
