// Row gather and its deterministic scatter-add. ids int32 [T], weight [V, H].
#pragma once
#include <ATen/core/Tensor.h>

namespace plumb::ops {

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight);  // [T, H], dtype of weight
// dweight [V, H] fp32 += scatter of dy [T, H]; fixed order: position by position.
void embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy);

}  // namespace plumb::ops
