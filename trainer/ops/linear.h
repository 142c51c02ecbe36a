// y = x W^T and its two gradients. x [T, I], weight [O, I], y [T, O]; fp32 or bf16 (accumulation in fp32).
#pragma once
#include <ATen/core/Tensor.h>

namespace plumb::ops {

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight);  // [T, O], dtype of x
void linear_out(at::Tensor y, const at::Tensor& x, const at::Tensor& weight);
// dx = dy W
at::Tensor linear_grad_input(const at::Tensor& dy, const at::Tensor& weight);
// dweight += dy^T x, added in fp32 into the slot dweight [O, I] fp32, whatever the dtype of dy and x.
void linear_grad_weight_(at::Tensor dweight, const at::Tensor& dy, const at::Tensor& x);

}  // namespace plumb::ops
