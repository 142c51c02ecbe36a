#include "trainer/ops/embedding.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight) {
  require_shape(ids, {-1}, "embedding", "ids [T]");
  require(ids.scalar_type() == at::kInt, "embedding", "ids int32", ids);
  require_shape(weight, {-1, -1}, "embedding", "weight [V, H]");
  if (has_cpu_kernel(weight)) return cpu::embedding(ids, weight);
  return composition::embedding(ids, weight);
}

void embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy) {
  require_shape(ids, {-1}, "embedding_grad_weight", "ids [T]");
  require(ids.scalar_type() == at::kInt, "embedding_grad_weight", "ids int32", ids);
  require_shape(dweight, {-1, -1}, "embedding_grad_weight", "dweight [V, H]");
  require_shape(dy, {ids.size(0), dweight.size(1)}, "embedding_grad_weight", "dy [T, H]");
  if (has_cpu_kernel(dy) && dweight.scalar_type() == at::kFloat) return cpu::embedding_grad_weight_(dweight, ids, dy);
  composition::embedding_grad_weight_(dweight, ids, dy);
}

at::Tensor composition::embedding(const at::Tensor& ids, const at::Tensor& weight) {
  return weight.index_select(0, ids);
}

void composition::embedding_grad_weight_(at::Tensor dweight, const at::Tensor& ids, const at::Tensor& dy) {
  // index_put with accumulation sorts by index on a GPU: a fixed order, unlike index_add's atomics.
  dweight.index_put_({ids.to(at::kLong)}, dy.to(dweight.scalar_type()), /*accumulate=*/true);
}

}  // namespace plumb::ops
