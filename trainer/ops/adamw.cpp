#include "trainer/ops/adamw.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {

void adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, std::optional<at::Tensor> compute,
            const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options) {
  require_shape(master, {-1}, "adamw", "master [n]");
  const int64_t n = master.size(0);
  require_shape(m, {n}, "adamw", "m [n]");
  require_shape(v, {n}, "adamw", "v [n]");
  require_shape(grad, {n}, "adamw", "grad [n]");
  if (compute) require_shape(*compute, {n}, "adamw", "compute copy [n]");
  require_shape(step_values, {4}, "adamw", "step_values [4]");
  for (const DecaySpan& span : spans) {
    require(0 <= span.begin && span.begin <= span.end && span.end <= n, "adamw", "decay spans inside the shard",
            master);
  }
  const bool narrow = !compute || has_cpu_kernel(*compute);
  if (has_cpu_kernel(master) && master.scalar_type() == at::kFloat && narrow) {
    return cpu::adamw_(master, m, v, grad, compute, step_values, spans, options);
  }
  composition::adamw_(master, m, v, grad, compute, step_values, spans, options);
}

at::Tensor chunk_sums_of_squares(const at::Tensor& grad) {
  require_shape(grad, {-1}, "sum_of_squares", "grad [n]");
  if (grad.is_cpu() && grad.scalar_type() == at::kFloat) return cpu::chunk_sums_of_squares(grad);
  return composition::chunk_sums_of_squares(grad);
}

at::Tensor sum_of_squares(const at::Tensor& grad) { return join_chunk_sums(chunk_sums_of_squares(grad)); }

at::Tensor join_chunk_sums(const at::Tensor& sums) {
  require_shape(sums, {-1}, "sum_of_squares", "sums [chunks]");
  // A running sum is one pass in index order on a CPU; on a GPU its tree is a function of the length alone.
  if (sums.size(0) == 0) return at::zeros({}, sums.options());
  return sums.cumsum(0).select(0, sums.size(0) - 1).clone();
}

void composition::adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, Optional compute,
                         const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options) {
  at::Tensor lr = step_values.select(0, 0);
  at::Tensor g = grad * step_values.select(0, 3);
  m.mul_(options.beta1).add_(g, 1 - options.beta1);
  v.mul_(options.beta2).addcmul_(g, g, 1 - options.beta2);
  at::Tensor update = (m / step_values.select(0, 1)).div_((v / step_values.select(0, 2)).sqrt_().add_(options.eps));
  for (const DecaySpan& span : spans) {
    if (!span.decay || options.weight_decay == 0) continue;
    update.slice(0, span.begin, span.end).add_(master.slice(0, span.begin, span.end), options.weight_decay);
  }
  master.sub_(update.mul_(lr));
  if (compute) compute->copy_(master);
}

at::Tensor composition::chunk_sums_of_squares(const at::Tensor& grad) {
  const int64_t n = grad.size(0), chunks = (n + kNormChunk - 1) / kNormChunk;
  at::Tensor sums = at::empty({chunks}, grad.options().dtype(at::kDouble));
  for (int64_t c = 0; c < chunks; ++c) {
    at::Tensor part = grad.slice(0, c * kNormChunk, std::min(n, (c + 1) * kNormChunk)).to(at::kDouble);
    at::Tensor sum = sums.select(0, c);
    at::dot_out(sum, part, part);
  }
  return sums;
}

}  // namespace plumb::ops
