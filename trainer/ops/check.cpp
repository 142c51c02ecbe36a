#include "trainer/ops/check.h"

#include <ATen/ATen.h>

#include <string>

#include "core/error.h"

namespace plumb::ops {

namespace {

std::string listed(at::IntArrayRef values) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

}  // namespace

void require(bool ok, const char* op, const char* expected, const at::Tensor& found) {
  if (ok) return;
  const std::string begin = std::string(op) + ": expected " + expected + ", found ";
  if (!found.defined()) fail_internal(begin + "no tensor");
  fail_internal(begin + c10::toString(found.scalar_type()) + " " + listed(found.sizes()) + " with strides " +
                listed(found.strides()) + " on " + found.device().str());
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

void fail_range(const char* what, int64_t value, int64_t begin, int64_t end, int64_t index) {
  fail_internal(std::string(what) + ": expected values in [" + std::to_string(begin) + ", " + std::to_string(end) +
                "), found " + std::to_string(value) + " at index " + std::to_string(index));
}

at::ScalarType accumulation_type(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace plumb::ops
