#include "trainer/ops/check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace plumb::ops {

void require(bool ok, const char* op, const char* expected, const at::Tensor& found) {
  if (ok) return;
  if (!found.defined()) fail_internal(fmt::format("{}: expected {}, found no tensor", op, expected));
  fail_internal(fmt::format("{}: expected {}, found {} [{}] with strides [{}] on {}", op, expected,
                            c10::toString(found.scalar_type()), fmt::join(found.sizes(), ", "),
                            fmt::join(found.strides(), ", "), found.device().str()));
}

void require_shape(const at::Tensor& tensor, std::initializer_list<int64_t> shape, const char* op,
                   const char* expected) {
  bool ok = tensor.defined() && tensor.dim() == static_cast<int64_t>(shape.size()) && tensor.is_contiguous();
  int64_t i = 0;
  for (int64_t size : shape) {
    if (!ok) break;
    ok = size < 0 || tensor.size(i) == size;
    ++i;
  }
  require(ok, op, expected, tensor);
}

at::ScalarType accumulation_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace plumb::ops
