// The rows of an embedding or a head: one matrix, or a frozen one with the rows that are trained behind it. Both are
// used where they lie: a slice of the vocabulary each, whose results are joined.
#pragma once

#include <optional>

#include "trainer/model/parameter.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::model {

struct Vocabulary {
  ParameterHandle rows;
  ParameterHandle new_rows;  // empty: `rows` are all
};

at::Tensor rows_of(const Vocabulary&, const at::Tensor& ids);  // [T, H]
void add_gradient(const Vocabulary&, const at::Tensor& ids, const at::Tensor& dy, WgradSink&);

// `limit`: only so many rows exist.
at::Tensor logits(const Vocabulary&, const at::Tensor& x, std::optional<int64_t> limit);  // [T, rows], x's dtype
ops::TokenLogprob logprob(const Vocabulary&, const at::Tensor& x, const at::Tensor& labels,
                          std::optional<int64_t> limit);
// Returns dx; weight gradients go to the sink.
at::Tensor logprob_grad(const Vocabulary&, const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& labels,
                        const at::Tensor& lse, WgradSink&);

}  // namespace plumb::model
