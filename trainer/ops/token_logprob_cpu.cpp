#include <ATen/ATen.h>

#include "trainer/ops/check.h"
#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

// Logits of this many elements exist at a time: they stay in the caches between the products.
constexpr int64_t kChunkElements = 512 * 1024;

template <class E>
struct Head {
  const at::Tensor& x;
  const at::Tensor& weight;
  const int32_t* labels;
  int64_t rows = x.size(0), width = x.size(1), vocabulary = weight.size(0);

  int64_t chunk_rows() const {
    const int64_t fit = kChunkElements / std::max<int64_t>(vocabulary, 1) / 12 * 12;
    return std::min(rows, std::max<int64_t>(fit, 24));
  }

  // logits [count, vocabulary] fp32 of rows [first, first + count)
  void logits(int64_t first, int64_t count, float* out) const {
    const E* rows_x = data<E>(x) + first * width;
    if (std::is_same_v<E, float> && !own_gemm()) {
      at::Tensor target = at::from_blob(out, {count, vocabulary}, at::kFloat);
      at::mm_out(target, x.narrow(0, first, count), weight.t());
      return;
    }
    gemm({count, vocabulary, width, width, 1, 1, width, vocabulary, false}, rows_x, data<E>(weight), out);
  }

  // dx and dweight of dlogits [count, vocabulary] fp32.
  void backward(int64_t first, int64_t count, float* dlogits, const at::Tensor& dx, const Optional& dweight) const {
    if constexpr (std::is_same_v<E, float>) {
      at::Tensor part = x.narrow(0, first, count), target = dx.narrow(0, first, count);
      if (own_gemm()) {
        gemm({count, width, vocabulary, vocabulary, 1, width, 1, width, false}, dlogits, data<float>(weight),
             data<float>(target));
        if (dweight) {
          gemm({vocabulary, width, count, 1, vocabulary, width, 1, width, true}, dlogits, data<float>(part),
               data<float>(*dweight));
        }
        return;
      }
      at::Tensor d = at::from_blob(dlogits, {count, vocabulary}, at::kFloat);
      at::mm_out(target, d, weight);
      if (dweight) at::Tensor(*dweight).addmm_(d.t(), part);
    } else {
      // Gradients of logits are rounded to bf16 as the products take one type.
      at::Tensor narrow = at::empty({count, vocabulary}, x.options());
      parallel_for(count * vocabulary, kGrainElements, [&](int64_t begin, int64_t end) {
        kernels().half.narrow(dlogits + begin, data<bf16>(narrow) + begin, end - begin);
      });
      dx.narrow(0, first, count).copy_(linear_grad_input(narrow, weight));
      if (dweight) linear_grad_weight_(*dweight, narrow, x.narrow(0, first, count));
    }
  }
};

template <class E>
Head<E> head(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels) {
  return {x, weight, data<int32_t>(labels)};
}

void check_labels(const at::Tensor& labels, int64_t vocabulary) {
  const int32_t* label = data<int32_t>(labels);
  for (int64_t t = 0; t < labels.size(0); ++t) {
    require_in_range("token_logprob: labels", label[t], -1, vocabulary, t);
  }
}

void clear(float* row, int64_t count) { std::fill(row, row + count, 0.0f); }

// Calls function(first, count, logits) for each chunk of rows with its logits in a reused buffer.
template <class E, class Function>
void for_each_chunk(const Head<E>& h, Function&& function) {
  const int64_t step = h.chunk_rows();
  float* buffer = thread_scratch(ScratchSlot::logits, step * h.vocabulary);
  for (int64_t first = 0; first < h.rows; first += step) {
    const int64_t count = std::min(step, h.rows - first);
    h.logits(first, count, buffer);
    function(first, count, buffer);
  }
}

}  // namespace

SoftmaxSlice token_softmax_slice(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                 int64_t vocab_begin) {
  auto options = x.options().dtype(at::kFloat);
  SoftmaxSlice slice{at::empty({x.size(0)}, options), at::empty({x.size(0)}, options), at::empty({x.size(0)}, options)};
  by_type(x, [&](auto type) {
    const auto h = head<decltype(type)>(x, weight, labels);
    for_each_chunk(h, [&](int64_t first, int64_t count, float* logits) {
      parallel_for(count, row_grain(h.vocabulary), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const float* row = logits + i * h.vocabulary;
          const int64_t label = int64_t{h.labels[first + i]} - vocab_begin;
          const bool here = h.labels[first + i] >= 0 && label >= 0 && label < h.vocabulary;
          kernels().common.softmax_statistics(row, h.vocabulary, data<float>(slice.max) + first + i,
                                              data<float>(slice.sum) + first + i);
          data<float>(slice.target)[first + i] = here ? row[label] : 0.0f;
        }
      });
    });
  });
  return slice;
}

at::Tensor token_logprob_grad(const at::Tensor& dlogprob, const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& labels, const at::Tensor& lse, const Optional& dweight,
                              std::optional<int64_t> vocab_begin) {
  if (!vocab_begin) check_labels(labels, weight.size(0));
  at::Tensor dx = at::empty_like(x);
  by_type(x, [&](auto type) {
    const auto h = head<decltype(type)>(x, weight, labels);
    for_each_chunk(h, [&](int64_t first, int64_t count, float* logits) {
      parallel_for(count, row_grain(h.vocabulary), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          float* row = logits + i * h.vocabulary;
          const int32_t label = h.labels[first + i];
          const float gradient = data<float>(dlogprob)[first + i];
          if (label < 0) {
            clear(row, h.vocabulary);
            continue;
          }
          kernels().common.softmax_scaled(row, h.vocabulary, data<float>(lse)[first + i], -gradient);
          const int64_t here = int64_t{label} - vocab_begin.value_or(0);
          if (here >= 0 && here < h.vocabulary) row[here] += gradient;
        }
      });
      h.backward(first, count, logits, dx, dweight);
    });
  });
  return dx;
}

FusedCrossEntropy fused_cross_entropy(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& labels,
                                      const at::Tensor& scale, const Optional& dweight) {
  check_labels(labels, weight.size(0));
  FusedCrossEntropy result{at::empty({x.size(0)}, x.options().dtype(at::kFloat)), at::empty_like(x)};
  by_type(x, [&](auto type) {
    const auto h = head<decltype(type)>(x, weight, labels);
    for_each_chunk(h, [&](int64_t first, int64_t count, float* logits) {
      parallel_for(count, row_grain(h.vocabulary), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          float* row = logits + i * h.vocabulary;
          const int32_t label = h.labels[first + i];
          float* logprob = data<float>(result.logprob) + first + i;
          if (label < 0) {
            *logprob = 0;
            clear(row, h.vocabulary);
            continue;
          }
          const float target = row[label], factor = data<float>(scale)[first + i];
          *logprob = target - kernels().common.softmax_in_place(row, h.vocabulary, factor);
          row[label] -= factor;
        }
      });
      h.backward(first, count, logits, result.dx, dweight);
    });
  });
  return result;
}

}  // namespace plumb::ops::cpu
