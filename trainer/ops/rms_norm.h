// RMSNorm, with the residual add fused in front of it (arXiv 1910.07467; order of casts as in transformers
// modeling_llama.py: the normalised value is cast to the activation dtype, then multiplied by the weight).
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

namespace plumb::ops {

struct RmsNormOut {
  at::Tensor y;     // [T, H] normalised and scaled
  at::Tensor sum;   // [T, H] x + delta (x itself when there is no delta): the new residual stream
  at::Tensor rstd;  // [T] fp32
};
// sum = x + delta; rstd = (mean(sum^2) + eps)^-1/2; y = sum * rstd * weight.  x, delta [T, H]; weight [H].
RmsNormOut rms_norm(const at::Tensor& x, const std::optional<at::Tensor>& delta, const at::Tensor& weight, double eps);

// Returns dsum = gradient through the norm + dsum_direct (gradient that reaches the residual stream otherwise; may be
// absent). It is the gradient of both x and delta. dweight [H] fp32 is added to when given.
at::Tensor rms_norm_grad(const at::Tensor& dy, const std::optional<at::Tensor>& dsum_direct, const at::Tensor& sum,
                         const at::Tensor& rstd, const at::Tensor& weight, std::optional<at::Tensor> dweight);

}  // namespace plumb::ops
