#include <ATen/ATen.h>

#include <cstring>

#include "trainer/ops/check.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

void check_ids(const at::Tensor& ids, int64_t vocabulary) {
  const int32_t* id = data<int32_t>(ids);
  for (int64_t t = 0; t < ids.size(0); ++t) {
    require_in_range("embedding: ids", id[t], 0, vocabulary, t);
  }
}

}  // namespace

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight) {
  check_ids(ids, weight.size(0));
  const int64_t width = weight.size(1);
  at::Tensor y = at::empty({ids.size(0), width}, weight.options());
  const size_t bytes = static_cast<size_t>(width) * weight.element_size();
  parallel_for(ids.size(0), row_grain(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::memcpy(data<char>(y) + t * bytes, data<char>(weight) + data<int32_t>(ids)[t] * bytes, bytes);
    }
  });
  return y;
}

// Threads own columns: every row is summed position by position, whatever the thread count, and no id is a hot spot.
void embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy) {
  check_ids(ids, dweight.size(0));
  const int64_t width = dweight.size(1), positions = ids.size(0);
  constexpr int64_t kColumns = 32;
  by_type(dy, [&](auto type) {
    using E = decltype(type);
    const int64_t strips = (width + kColumns - 1) / kColumns;
    const int64_t grain = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(positions * kColumns, 1));
    parallel_for(strips, grain, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * kColumns, count = std::min(end * kColumns, width) - first;
      for (int64_t t = 0; t < positions; ++t) {
        typed_kernels<E>().add_to(data<float>(dweight) + data<int32_t>(ids)[t] * width + first,
                                  data<E>(dy) + t * width + first, count);
      }
    });
  });
}

}  // namespace plumb::ops::cpu
