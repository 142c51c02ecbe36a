#include "trainer/model/vocabulary.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "trainer/ops/embedding.h"
#include "trainer/ops/linear.h"

namespace plumb::model {

namespace {

using at::Tensor;

int64_t first_new(const Vocabulary& vocabulary) { return vocabulary.rows.parameter().shape[0]; }

struct Slice {
  ParameterHandle handle;
  Tensor weight;
  int64_t begin = 0;
};

std::vector<Slice> slices(const Vocabulary& vocabulary, std::optional<int64_t> limit = std::nullopt) {
  std::vector<Slice> all;
  int64_t begin = 0;
  for (const ParameterHandle& handle : {vocabulary.rows, vocabulary.new_rows}) {
    if (!handle || (limit && begin >= *limit)) break;
    const Tensor& weight = handle.value();
    const int64_t count = limit ? std::min(weight.size(0), *limit - begin) : weight.size(0);
    all.push_back({handle, weight.narrow(0, 0, count), begin});
    begin += count;
  }
  return all;
}

}  // namespace

Tensor rows_of(const Vocabulary& vocabulary, const Tensor& ids) {
  if (!vocabulary.new_rows) return ops::embedding(ids, vocabulary.rows.value());
  const int64_t first = first_new(vocabulary);
  const Tensor old = ops::embedding(ids.clamp_max(first - 1), vocabulary.rows.value());
  const Tensor added = ops::embedding((ids - first).clamp_min_(0), vocabulary.new_rows.value());
  return at::where(ids.ge(first).unsqueeze(1), added, old);
}

void add_gradient(const Vocabulary& vocabulary, const Tensor& ids, const Tensor& dy, WgradSink& sink) {
  if (!vocabulary.new_rows) return sink.add_embedding(vocabulary.rows, ids, dy);
  // Old ids add zeros to the first new row: every position is treated alike, whatever stands there.
  const int64_t first = first_new(vocabulary);
  sink.add_embedding(vocabulary.new_rows, (ids - first).clamp_min_(0), dy.masked_fill(ids.lt(first).unsqueeze(1), 0));
}

Tensor logits(const Vocabulary& vocabulary, const Tensor& x, std::optional<int64_t> limit) {
  std::vector<Tensor> parts;
  for (const Slice& slice : slices(vocabulary, limit)) parts.push_back(ops::linear(x, slice.weight));
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

ops::TokenLogprob logprob(const Vocabulary& vocabulary, const Tensor& x, const Tensor& labels,
                          std::optional<int64_t> limit) {
  const auto parts = slices(vocabulary, limit);
  if (parts.size() == 1) return ops::token_logprob(x, parts[0].weight, labels);
  const auto a = ops::token_softmax_slice(x, parts[0].weight, labels, parts[0].begin);
  const auto b = ops::token_softmax_slice(x, parts[1].weight, labels, parts[1].begin);
  const Tensor max = at::maximum(a.max, b.max);
  const Tensor sum = a.sum * (a.max - max).exp_() + b.sum * (b.max - max).exp_();
  const Tensor lse = sum.log().add_(max);
  return {at::where(labels >= 0, a.target + b.target - lse, 0.0), lse};
}

Tensor logprob_grad(const Vocabulary& vocabulary, const Tensor& dlogprob, const Tensor& x, const Tensor& labels,
                    const Tensor& lse, WgradSink& sink) {
  Tensor dx;
  for (const Slice& slice : slices(vocabulary)) {
    const Tensor part =
        ops::token_logprob_grad(dlogprob, x, slice.weight, labels, lse, sink.slot(slice.handle), slice.begin);
    dx = dx.defined() ? dx.add_(part) : part;
  }
  return dx;
}

}  // namespace plumb::model
