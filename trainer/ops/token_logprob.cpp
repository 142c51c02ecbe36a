#include "trainer/ops/token_logprob.h"

#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/linear.h"

namespace plumb::ops {
namespace {

void check_head(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels, const char* op) {
  require_shape(x, {-1, -1}, op, "x [T, H]");
  require_shape(weight, {-1, x.size(1)}, op, "weight [V, H]");
  require(weight.scalar_type() == x.scalar_type(), op, "weight of x's dtype", weight);
  require_shape(labels, {x.size(0)}, op, "labels [T]");
  require(labels.scalar_type() == at::kInt, op, "labels int32", labels);
}

// A chunk of logits stays within about 4 MiB on a CPU (its caches) and 256 MiB on a GPU (few launches).
int64_t chunk_rows(const at::Tensor& x, int64_t vocabulary) {
  const int64_t elements = (x.is_cuda() ? int64_t{64} : int64_t{1}) << 20;
  return std::max<int64_t>(16, elements / std::max<int64_t>(vocabulary, 1));
}

at::Tensor chunk_logits(const at::Tensor& x, const at::Tensor& weight) {
  const at::ScalarType wide = accumulation_type(x);
  if (x.scalar_type() == wide) return at::mm(x, weight.t());
  if (x.is_cuda()) return at::mm(x, weight.t(), wide);
  return at::mm(x.to(wide), weight.t().to(wide));
}

// Row indices of labels in a slice of the vocabulary, 0 where `here` says that the label is not in it; `valid`: there
// is a label at all.
struct Targets {
  at::Tensor index, here, valid;
};

Targets targets(const at::Tensor& labels, int64_t begin, int64_t vocabulary) {
  at::Tensor local = labels.to(at::kLong) - begin;
  at::Tensor valid = labels >= 0;
  at::Tensor here = (local >= 0).logical_and_(local < vocabulary).logical_and_(valid);
  return {local.masked_fill_(here.logical_not(), 0).unsqueeze(1), here, valid};
}

// From logits to the gradient of sum(scale * logprob) for rows with a label, in place; returns nothing of size [T, V].
void logits_to_gradient(at::Tensor logits, const at::Tensor& lse, const at::Tensor& scale, const Targets& target) {
  at::Tensor row_scale = at::where(target.valid, scale.to(logits.scalar_type()), 0.0).unsqueeze(1);
  logits.sub_(lse.unsqueeze(1)).exp_().mul_(-row_scale);
  // A row that is masked may hold inf * 0 when its logits overflow: it has no gradient.
  logits.masked_fill_(target.valid.logical_not().unsqueeze(1), 0);
  logits.scatter_add_(1, target.index, at::where(target.here.unsqueeze(1), row_scale, 0.0));
}

}  // namespace

TokenLogprob token_logprob(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels) {
  SoftmaxSlice slice = token_softmax_slice(x, weight, labels, 0);
  at::Tensor lse = slice.sum.log_().add_(slice.max);
  return {at::where(labels >= 0, slice.target - lse, 0.0), lse};
}

SoftmaxSlice token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                 int64_t vocab_begin) {
  check_head(x, weight, labels, "token_softmax_slice");
  if (has_cpu_kernel(x)) return cpu::token_softmax_slice(x, weight, labels, vocab_begin);
  return composition::token_softmax_slice(x, weight, labels, vocab_begin);
}

at::Tensor token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& labels, const at::Tensor& lse, std::optional<at::Tensor> dweight,
                              std::optional<int64_t> vocab_begin) {
  check_head(x, weight, labels, "token_logprob_grad");
  require_shape(dlogprob, {x.size(0)}, "token_logprob_grad", "dlogprob [T]");
  require_shape(lse, {x.size(0)}, "token_logprob_grad", "lse [T]");
  if (has_cpu_kernel(x)) return cpu::token_logprob_grad(dlogprob, x, weight, labels, lse, dweight, vocab_begin);
  return composition::token_logprob_grad(dlogprob, x, weight, labels, lse, dweight, vocab_begin);
}

FusedCrossEntropy fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                      const at::Tensor& scale, std::optional<at::Tensor> dweight) {
  check_head(x, weight, labels, "fused_cross_entropy");
  require_shape(scale, {x.size(0)}, "fused_cross_entropy", "scale [T]");
  if (has_cpu_kernel(x)) return cpu::fused_cross_entropy(x, weight, labels, scale, dweight);
  return composition::fused_cross_entropy(x, weight, labels, scale, dweight);
}

SoftmaxSlice composition::token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                              int64_t vocab_begin) {
  const int64_t rows = x.size(0), vocabulary = weight.size(0), step = chunk_rows(x, vocabulary);
  auto options = x.options().dtype(accumulation_type(x));
  SoftmaxSlice slice{at::empty({rows}, options), at::empty({rows}, options), at::empty({rows}, options)};
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    at::Tensor logits = chunk_logits(x.narrow(0, first, count), weight);
    const Targets target = targets(labels.narrow(0, first, count), vocab_begin, vocabulary);
    at::Tensor label_logit = logits.gather(1, target.index).squeeze(1);
    at::Tensor max = logits.amax(1);
    slice.max.narrow(0, first, count).copy_(max);
    slice.target.narrow(0, first, count).copy_(at::where(target.here, label_logit, 0.0));
    slice.sum.narrow(0, first, count).copy_(logits.sub_(max.unsqueeze(1)).exp_().sum(1));
  }
  return slice;
}

at::Tensor composition::token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                                           const at::Tensor& labels, const at::Tensor& lse, Optional dweight,
                                           std::optional<int64_t> vocab_begin) {
  const int64_t rows = x.size(0), step = chunk_rows(x, weight.size(0));
  at::Tensor dx = at::empty_like(x);
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    at::Tensor part = x.narrow(0, first, count), logits = chunk_logits(part, weight);
    logits_to_gradient(logits, lse.narrow(0, first, count).to(logits.scalar_type()), dlogprob.narrow(0, first, count),
                       targets(labels.narrow(0, first, count), vocab_begin.value_or(0), weight.size(0)));
    at::Tensor dlogits = logits.to(x.scalar_type());
    dx.narrow(0, first, count).copy_(at::mm(dlogits, weight));
    if (dweight) composition::linear_grad_weight_(*dweight, dlogits, part);
  }
  return dx;
}

FusedCrossEntropy composition::fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight,
                                                   const at::Tensor& labels, const at::Tensor& scale,
                                                   Optional dweight) {
  const int64_t rows = x.size(0), step = chunk_rows(x, weight.size(0));
  FusedCrossEntropy result{at::empty({rows}, x.options().dtype(accumulation_type(x))), at::empty_like(x)};
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    at::Tensor part = x.narrow(0, first, count), logits = chunk_logits(part, weight);
    const Targets target = targets(labels.narrow(0, first, count), 0, weight.size(0));
    at::Tensor lse = logits.logsumexp(1);
    at::Tensor logprob = at::where(target.valid, logits.gather(1, target.index).squeeze(1) - lse, 0.0);
    result.logprob.narrow(0, first, count).copy_(logprob);
    logits_to_gradient(logits, lse, -scale.narrow(0, first, count), target);
    at::Tensor dlogits = logits.to(x.scalar_type());
    result.dx.narrow(0, first, count).copy_(at::mm(dlogits, weight));
    if (dweight) composition::linear_grad_weight_(*dweight, dlogits, part);
  }
  return result;
}

}  // namespace plumb::ops
