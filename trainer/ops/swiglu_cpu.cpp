#include <ATen/ATen.h>

#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {

at::Tensor swiglu(const at::Tensor& gate_up) {
  const int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
  at::Tensor y = at::empty({rows, width}, gate_up.options());
  by_type(gate_up, [&](auto type) {
    using E = decltype(type);
    parallel_for(rows, row_grain(width), [&](int64_t begin, int64_t end) {
      typed_kernels<E>().swiglu(data<E>(gate_up) + begin * 2 * width, data<E>(y) + begin * width, end - begin, width);
    });
  });
  return y;
}

at::Tensor swiglu_grad(const at::Tensor& dy, const at::Tensor& gate_up) {
  const int64_t rows = gate_up.size(0), width = gate_up.size(1) / 2;
  at::Tensor dgate_up = at::empty_like(gate_up);
  by_type(gate_up, [&](auto type) {
    using E = decltype(type);
    parallel_for(rows, row_grain(width), [&](int64_t begin, int64_t end) {
      typed_kernels<E>().swiglu_grad(data<E>(dy) + begin * width, data<E>(gate_up) + begin * 2 * width,
                                     data<E>(dgate_up) + begin * 2 * width, end - begin, width);
    });
  });
  return dgate_up;
}

}  // namespace plumb::ops::cpu
