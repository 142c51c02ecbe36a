#include <ATen/ATen.h>

#include "trainer/ops/cpu_features.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

bool bf16_products() { return cpu_features().avx512_bf16 || cpu_features().amx_bf16; }

// fp32 sums of a bf16 product, rounded at the end.
void narrow_gemm(Gemm shape, const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
  float* wide = thread_scratch(ScratchSlot::convert, shape.m * shape.n);
  shape.c_row = shape.n;
  gemm(shape, data<bf16>(a), data<bf16>(b), wide);
  parallel_for(shape.m * shape.n, kGrainElements, [&](int64_t begin, int64_t end) {
    kernels().half.narrow(wide + begin, data<bf16>(c) + begin, end - begin);
  });
}

}  // namespace

bool own_gemm() {
  static const bool own = cpu_features().avx512 && !cpu_features().intel && kernels_avx512() == &kernels();
  return own;
}

template <class E>
void gemm(const Gemm& shape, const E* a, const E* b, float* c) {
  const int64_t threads = intra_op_threads(), panel = kernels().common.gemm_columns;
  const int64_t panels = (shape.n + panel - 1) / panel, row_blocks = (shape.m + 11) / 12;
  const int64_t work = shape.m * shape.n * shape.k;
  auto part = [&](Gemm g, int64_t row, int64_t column) {
    float* scratch = thread_scratch(ScratchSlot::kernel, kernels().common.gemm_scratch());
    typed_kernels<E>().gemm(g, a + row * g.a_row, b + column * g.b_column, c + row * g.c_row + column, scratch);
  };
  if (threads == 1 || work < 64 * 1024) return part(shape, 0, 0);
  // A split over columns packs each panel of B once; over rows every thread packs all of B.
  if (panels % threads == 0 || panels >= 4 * threads) {
    parallel_for(panels, 1, [&](int64_t begin, int64_t end) {
      Gemm g = shape;
      g.n = std::min(end * panel, shape.n) - begin * panel;
      part(g, 0, begin * panel);
    });
  } else {
    parallel_for(row_blocks, 1, [&](int64_t begin, int64_t end) {
      Gemm g = shape;
      g.m = std::min(end * 12, shape.m) - begin * 12;
      part(g, begin * 12, 0);
    });
  }
}
template void gemm<float>(const Gemm&, const float*, const float*, float*);
template void gemm<bf16>(const Gemm&, const bf16*, const bf16*, float*);

void linear_out(const at::Tensor& y, const at::Tensor& x, const at::Tensor& weight) {
  const int64_t rows = x.size(0), in = x.size(1), out = weight.size(0);
  const Gemm shape{rows, out, in, in, 1, 1, in, out, false};
  if (x.scalar_type() == at::kFloat && own_gemm()) {
    gemm(shape, data<float>(x), data<float>(weight), data<float>(y));
  } else if (x.scalar_type() == at::kFloat || bf16_products()) {
    at::Tensor target = y;
    at::mm_out(target, x, weight.t());
  } else {
    narrow_gemm(shape, x, weight, y);
  }
}

at::Tensor linear_grad_input(const at::Tensor& dy, const at::Tensor& weight) {
  const int64_t rows = dy.size(0), in = weight.size(1), out = weight.size(0);
  at::Tensor dx = at::empty({rows, in}, dy.options());
  const Gemm shape{rows, in, out, out, 1, in, 1, in, false};
  if (dy.scalar_type() == at::kFloat && own_gemm()) {
    gemm(shape, data<float>(dy), data<float>(weight), data<float>(dx));
  } else if (dy.scalar_type() == at::kFloat || bf16_products()) {
    at::mm_out(dx, dy, weight);
  } else {
    narrow_gemm(shape, dy, weight, dx);
  }
  return dx;
}

void linear_grad_weight_(const at::Tensor& dweight, const at::Tensor& dy, const at::Tensor& x) {
  const int64_t rows = dy.size(0), in = x.size(1), out = dy.size(1);
  const Gemm shape{out, in, rows, 1, out, in, 1, in, true};
  if (dy.scalar_type() == at::kBFloat16) {
    gemm(shape, data<bf16>(dy), data<bf16>(x), data<float>(dweight));
  } else if (own_gemm()) {
    gemm(shape, data<float>(dy), data<float>(x), data<float>(dweight));
  } else {
    at::Tensor target = dweight;
    target.addmm_(dy.t(), x);
  }
}

}  // namespace plumb::ops::cpu
