// The table of the including unit's instruction set.
#pragma once
#include "trainer/ops/cpu/attention_kernels.h"

namespace plumb::ops::cpu {
namespace {

template <class E>
constexpr Kernels<E> typed_kernels() {
  return {rms_norm<E>, rms_norm_grad<E>, swiglu<E>, swiglu_grad<E>, rope<E>,
          add_to<E>,   narrow<E>,        gemm<E>,   attention<E>,   attention_grad<E>};
}

constexpr KernelTable kTable = {{softmax_statistics, softmax_scaled, softmax_in_place, adamw, sum_of_squares,
                                 gemm_scratch, attention_scratch, kPanel},
                                typed_kernels<float>(),
                                typed_kernels<bf16>()};

}  // namespace
}  // namespace plumb::ops::cpu
