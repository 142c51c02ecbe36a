#include <ATen/ATen.h>

#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

// Rows whose weight gradients are summed together; the chunks are then joined in order, whatever the thread count.
constexpr int64_t kChunkRows = 64;

}  // namespace

RmsNormOut rms_norm(const at::Tensor& x, const Optional& delta, const at::Tensor& weight, double eps) {
  const int64_t rows = x.size(0), width = x.size(1);
  RmsNormOut result{at::empty_like(x), delta ? at::empty_like(x) : x, at::empty({rows}, x.options().dtype(at::kFloat))};
  by_type(x, [&](auto type) {
    using E = decltype(type);
    parallel_for(rows, row_grain(width), [&](int64_t begin, int64_t end) {
      const int64_t at = begin * width;
      typed_kernels<E>().rms_norm(data<E>(x) + at, delta ? data<E>(*delta) + at : nullptr, data<E>(weight),
                                  data<E>(result.y) + at, delta ? data<E>(result.sum) + at : nullptr,
                                  data<float>(result.rstd) + begin, end - begin, width, static_cast<float>(eps));
    });
  });
  return result;
}

at::Tensor rms_norm_grad(const at::Tensor& dy, const Optional& dsum_direct, const at::Tensor& sum,
                         const at::Tensor& rstd, const at::Tensor& weight, const Optional& dweight) {
  const int64_t rows = dy.size(0), width = dy.size(1), chunks = (rows + kChunkRows - 1) / kChunkRows;
  at::Tensor dsum = at::empty_like(dy);
  float* partial = dweight ? thread_scratch(ScratchSlot::convert, chunks * width) : nullptr;
  by_type(dy, [&](auto type) {
    using E = decltype(type);
    parallel_for(chunks, std::max<int64_t>(1, row_grain(width) / kChunkRows), [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t row = chunk * kChunkRows, count = std::min(kChunkRows, rows - row), at = row * width;
        float* sums = partial ? partial + chunk * width : nullptr;
        if (sums) std::fill(sums, sums + width, 0.0f);
        typed_kernels<E>().rms_norm_grad(data<E>(dy) + at, dsum_direct ? data<E>(*dsum_direct) + at : nullptr,
                                         data<E>(sum) + at, data<float>(rstd) + row, data<E>(weight),
                                         data<E>(dsum) + at, sums, count, width);
      }
    });
  });
  for (int64_t chunk = 0; dweight && chunk < chunks; ++chunk) {
    kernels().fp32.add_to(data<float>(*dweight), partial + chunk * width, width);
  }
  return dsum;
}

}  // namespace plumb::ops::cpu
