// The CPU side of each op for fp32 and bf16: outputs, threads and kernels. Arguments are checked already; contracts
// stand in the header of each op.
#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "trainer/ops/adamw.h"
#include "trainer/ops/attention.h"
#include "trainer/ops/cpu/kernels.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/rope.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::ops::cpu {

using Optional = std::optional<at::Tensor>;

template <class E>
const Kernels<E>& typed_kernels();
template <>
inline const Kernels<float>& typed_kernels<float>() {
  return kernels().fp32;
}
template <>
inline const Kernels<bf16>& typed_kernels<bf16>() {
  return kernels().half;
}
template <class E>
E* data(const at::Tensor& tensor) {
  return static_cast<E*>(tensor.data_ptr());
}
// Calls with a float or a bf16 value as type tag.
template <class Function>
auto by_type(const at::Tensor& tensor, Function&& function) {
  return tensor.scalar_type() == at::kFloat ? function(float{}) : function(bf16{});
}
// Elements that are worth a second thread.
inline constexpr int64_t kGrainElements = 16 * 1024;
inline int64_t row_grain(int64_t width) { return std::max<int64_t>(1, kGrainElements / std::max<int64_t>(width, 1)); }

void adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, const Optional& compute,
            const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options);
at::Tensor chunk_sums_of_squares(const at::Tensor& grad);
AttentionOut attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape);
at::Tensor attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                          const at::Tensor& doc_offsets, AttentionShape shape);
at::Tensor dropout(const at::Tensor& x, const at::Tensor& row_keys, uint64_t seed, double p);
at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight);
void embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy);
void linear_out(const at::Tensor& y, const at::Tensor& x, const at::Tensor& weight);
at::Tensor linear_grad_input(const at::Tensor& dy, const at::Tensor& weight);
void linear_grad_weight_(const at::Tensor& dweight, const at::Tensor& dy, const at::Tensor& x);
RmsNormOut rms_norm(const at::Tensor& x, const Optional& delta, const at::Tensor& weight, double eps);
at::Tensor rms_norm_grad(const at::Tensor& dy, const Optional& dsum_direct, const at::Tensor& sum,
                         const at::Tensor& rstd, const at::Tensor& weight, const Optional& dweight);
void rope_(const at::Tensor& x, int64_t heads, int64_t head_dim, const at::Tensor& positions, const RopeTable& table,
           bool inverse);
at::Tensor swiglu(const at::Tensor& gate_up);
at::Tensor swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up);
SoftmaxSlice token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                 int64_t vocab_begin);
at::Tensor token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& labels, const at::Tensor& lse, const Optional& dweight,
                              std::optional<int64_t> vocab_begin);
FusedCrossEntropy fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                      const at::Tensor& scale, const Optional& dweight);

// The own product in fp32 (either input type) over the intra-op threads: C [m, n] fp32 (+)= A B.
template <class E>
void gemm(const Gemm& shape, const E* a, const E* b, float* c);
// fp32 products go to the own kernels where LibTorch's BLAS does not use AVX-512 (MKL on processors not by Intel).
bool own_gemm();

}  // namespace plumb::ops::cpu
