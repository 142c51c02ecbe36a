// The same operations as compositions of ATen calls: the fallback for every device and dtype without an own kernel,
// fp64 included. Contracts stand in the header of each op.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "trainer/ops/adamw.h"
#include "trainer/ops/attention.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/rope.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::ops::composition {

using Optional = std::optional<at::Tensor>;

void adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, Optional compute,
            const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options);
at::Tensor chunk_sums_of_squares(const at::Tensor& grad);
AttentionOut attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape);
at::Tensor attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                          const at::Tensor& doc_offsets, AttentionShape shape);
at::Tensor attention_decode(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& lengths, AttentionShape shape);
at::Tensor dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p);
at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight);
void embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy);
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight);
at::Tensor linear_grad_input(const at::Tensor& dy, const at::Tensor& weight);
void linear_grad_weight_(at::Tensor dweight, const at::Tensor& dy, const at::Tensor& x);
RmsNormOut rms_norm(const at::Tensor& x, const Optional& delta, const at::Tensor& weight, double eps);
at::Tensor rms_norm_grad(const at::Tensor& dy, const Optional& dsum_direct, const at::Tensor& sum,
                         const at::Tensor& rstd, const at::Tensor& weight, Optional dweight);
void rope_(at::Tensor x, int64_t heads, int64_t head_dim, const at::Tensor& positions, const RopeTable& table,
           bool inverse);
at::Tensor swiglu(const at::Tensor& gate_up);
at::Tensor swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up);
SoftmaxSlice token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                 int64_t vocab_begin);
at::Tensor token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& labels, const at::Tensor& lse, Optional dweight,
                              std::optional<int64_t> vocab_begin);
FusedCrossEntropy fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                      const at::Tensor& scale, Optional dweight);

}  // namespace plumb::ops::composition
