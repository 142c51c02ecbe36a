// Shape checks of the ops: what a caller got wrong is named with the tensor that was found.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>

namespace plumb::ops {

// Throws Error(internal) "op: expected what, found float32 [2, 3]" when `ok` is false.
void require(bool ok, const char* op, const char* expected, const at::Tensor& found);
// Contiguous, of this shape (-1 = any).
void require_shape(const at::Tensor& tensor, std::initializer_list<int64_t> shape, const char* op,
                   const char* expected);
// Throws unless begin <= value < end; the message names the index.
[[noreturn]] void fail_range(const char* what, int64_t value, int64_t begin, int64_t end, int64_t index);
inline void require_in_range(const char* what, int64_t value, int64_t begin, int64_t end, int64_t index) {
  if (value < begin || value >= end) fail_range(what, value, begin, end, index);
}
// Type of sums: fp64 for fp64 tensors (oracles), else fp32.
at::ScalarType accumulation_type(const at::Tensor& tensor);
// fp32 or bf16 on the CPU: the own kernels apply.
inline bool has_cpu_kernel(const at::Tensor& tensor) {
  return tensor.is_cpu() && (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
}

}  // namespace plumb::ops
