// The CPU kernels: raw pointers, one thread, one instruction set. cpu/kernels_<isa>.cpp each fill one table.
#pragma once
#include <stdint.h>

namespace plumb::ops::cpu {

struct bf16 {
  uint16_t bits;
};

struct AdamWValues {
  float lr, correction1, correction2, scale, beta1, beta2, eps, decay;
};

// Rows of one document, as element pointers to the first row of each part; row_stride in elements.
template <class E>
struct AttentionHead {
  const E* q;
  const E* k;
  const E* v;
  int64_t row_stride, length, head_dim;
  float scale;
};

// C[m, n] (+)= A[m, k] B[k, n]; element (i, j) of A stands at a[i * a_row + j * a_column], likewise B. C row-major
// fp32.
struct Gemm {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column, c_row;
  bool accumulate;
};

template <class E>
struct Kernels {
  // delta and sum may both be null: then x is the sum.
  void (*rms_norm)(const E* x, const E* delta, const E* weight, E* y, E* sum, float* rstd, int64_t rows, int64_t width,
                   float eps);
  // direct may be null; dweight [width] (null or added to).
  void (*rms_norm_grad)(const E* dy, const E* direct, const E* sum, const float* rstd, const E* weight, E* dsum,
                        float* dweight, int64_t rows, int64_t width);
  void (*swiglu)(const E* gate_up, E* y, int64_t rows, int64_t width);
  void (*swiglu_grad)(const E* dy, const E* gate_up, E* dgate_up, int64_t rows, int64_t width);
  void (*rope)(E* x, int64_t row_stride, int64_t heads, int64_t head_dim, const int32_t* positions, const float* cosine,
               const float* sine, int64_t rows, float sign);
  void (*add_to)(float* out, const E* in, int64_t count);  // out += in
  void (*narrow)(const float* in, E* out, int64_t count);  // round to nearest even
  void (*gemm)(const Gemm& shape, const E* a, const E* b, float* c, float* scratch);
  // out and lse of one query head; scratch as attention_scratch says. out rows have out_stride.
  void (*attention)(const AttentionHead<E>& head, E* out, int64_t out_stride, float* lse, float* scratch);
  // `group` query heads share one k, v head; q, out, dout, dq, lse of the g-th head stand g * head_dim (lse: g *
  // lse_stride) further. Writes dq, dk, dv (rows of head.row_stride).
  void (*attention_grad)(const AttentionHead<E>& head, int64_t group, const E* out, const E* dout, int64_t out_stride,
                         const float* lse, int64_t lse_stride, E* dq, E* dk, E* dv, float* scratch);
};

struct CommonKernels {
  // One row of logits to softmax statistics.
  void (*softmax_statistics)(const float* logits, int64_t count, float* max, float* sum);
  // logits[i] = exp(logits[i] - lse) * coefficient
  void (*softmax_scaled)(float* logits, int64_t count, float lse, float coefficient);
  // Statistics, then logits[i] = exp(logits[i] - max) / sum * coefficient; returns log-sum-exp.
  float (*softmax_in_place)(float* logits, int64_t count, float coefficient);
  void (*adamw)(float* master, float* m, float* v, const float* grad, int64_t count, const AdamWValues& values);
  double (*sum_of_squares)(const float* values, int64_t count);
  int64_t (*gemm_scratch)();                                                  // floats
  int64_t (*attention_scratch)(int64_t length, int64_t head_dim, bool grad);  // floats
  int64_t gemm_columns;                                                       // columns of C that one panel covers
};

struct KernelTable {
  CommonKernels common;
  Kernels<float> fp32;
  Kernels<bf16> half;
};

const KernelTable* kernels_baseline();
const KernelTable* kernels_avx2();  // null when not built for it
const KernelTable* kernels_avx512();
// The best that this processor runs; PLUMB_ISA=baseline|avx2|avx512 chooses a lower one (tests).
const KernelTable& kernels();

}  // namespace plumb::ops::cpu
