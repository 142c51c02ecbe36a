#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {

void rope_(const at::Tensor& x, int64_t heads, int64_t head_dim, const at::Tensor& positions, const RopeTable& table,
           bool inverse) {
  const int32_t* position = data<int32_t>(positions);
  for (int64_t row = 0; row < x.size(0); ++row) {
    require_in_range("rope: positions", position[row], 0, table.cos.size(0), row);
  }
  by_type(x, [&](auto type) {
    using E = decltype(type);
    parallel_for(x.size(0), row_grain(heads * head_dim), [&](int64_t begin, int64_t end) {
      typed_kernels<E>().rope(data<E>(x) + begin * x.stride(0), x.stride(0), heads, head_dim, position + begin,
                              data<float>(table.cos), data<float>(table.sin), end - begin, inverse ? -1.0f : 1.0f);
    });
  });
}

}  // namespace plumb::ops::cpu
