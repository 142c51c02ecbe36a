// The head: log-probability of each label under softmax(x W^T), in chunks of rows, so that logits never exist whole.
// x [T, H], weight [V, H], labels int32 [T] (-1 = none: log-probability 0, gradient 0).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace plumb::ops {

// Partial softmax statistics over a slice of the vocabulary; slices merge (tensor parallelism).
struct SoftmaxSlice {
  at::Tensor max, sum, target;
};  // fp32 [T] each: max logit, sum of exp(logit - max), target logit (or 0)

struct TokenLogprob {
  at::Tensor logprob;  // fp32 [T]
  at::Tensor lse;      // fp32 [T] log-sum-exp of the logits
};
TokenLogprob token_logprob(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels);
SoftmaxSlice token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                 int64_t vocab_begin);
// Gradient for any gradient per token dlogprob fp32 [T]; recomputes the logits. dx is returned in x's dtype; dweight
// [V, H] fp32 is added to when given. With a slice of the vocabulary that begins at vocab_begin, lse being that of the
// whole: dweight of the slice, and dx as the sum over the slices.
at::Tensor token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& labels, const at::Tensor& lse, std::optional<at::Tensor> dweight,
                              std::optional<int64_t> vocab_begin = std::nullopt);

// The fast case: forward and backward in one pass over the chunks, loss = -sum_t scale[t] * logprob[t].
// scale fp32 [T] (loss weight / normaliser). Returns logprob and dx (already the gradient of the loss).
struct FusedCrossEntropy {
  at::Tensor logprob, dx;
};
FusedCrossEntropy fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                      const at::Tensor& scale, std::optional<at::Tensor> dweight);

}  // namespace plumb::ops
