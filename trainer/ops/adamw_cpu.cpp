#include <ATen/ATen.h>

#include <cstring>

#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

// Spans as a sorted list that covers [0, n); what no span names does not decay.
std::vector<DecaySpan> cover(const std::vector<DecaySpan>& spans, int64_t n) {
  std::vector<DecaySpan> sorted = spans, covered;
  std::sort(sorted.begin(), sorted.end(), [](const DecaySpan& a, const DecaySpan& b) { return a.begin < b.begin; });
  int64_t position = 0;
  for (const DecaySpan& span : sorted) {
    if (span.begin > position) covered.push_back({position, span.begin, false});
    if (span.end > position) covered.push_back({std::max(position, span.begin), span.end, span.decay});
    position = std::max(position, span.end);
  }
  if (position < n) covered.push_back({position, n, false});
  return covered;
}

}  // namespace

void adamw_(at::Tensor master, at::Tensor m, at::Tensor v, const at::Tensor& grad, const Optional& compute,
            const at::Tensor& step_values, const std::vector<DecaySpan>& spans, AdamWOptions options) {
  const float* step = data<float>(step_values);
  const AdamWValues values{step[0],
                           step[1],
                           step[2],
                           step[3],
                           static_cast<float>(options.beta1),
                           static_cast<float>(options.beta2),
                           static_cast<float>(options.eps),
                           static_cast<float>(options.weight_decay)};
  const std::vector<DecaySpan> covered = cover(spans, master.size(0));
  constexpr int64_t kPiece = 4096;  // the copy of a piece is made while it is in the first-level cache
  parallel_for(master.size(0), kGrainElements, [&](int64_t begin, int64_t end) {
    for (const DecaySpan& span : covered) {
      AdamWValues mine = values;
      if (!span.decay) mine.decay = 0;
      const int64_t last = std::min(span.end, end);
      for (int64_t i = std::max(span.begin, begin); i < last; i += kPiece) {
        const int64_t count = std::min(kPiece, last - i);
        float* weights = data<float>(master) + i;
        kernels().common.adamw(weights, data<float>(m) + i, data<float>(v) + i, data<float>(grad) + i, count, mine);
        if (!compute) continue;
        if (compute->scalar_type() == at::kFloat) {
          std::memcpy(data<float>(*compute) + i, weights, static_cast<size_t>(count) * sizeof(float));
        } else {
          kernels().half.narrow(weights, data<bf16>(*compute) + i, count);
        }
      }
    }
  });
}

at::Tensor chunk_sums_of_squares(const at::Tensor& grad) {
  const int64_t n = grad.size(0), chunks = (n + kNormChunk - 1) / kNormChunk;
  at::Tensor sums = at::empty({chunks}, grad.options().dtype(at::kDouble));
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const int64_t first = c * kNormChunk;
      data<double>(sums)[c] =
          kernels().common.sum_of_squares(data<float>(grad) + first, std::min(kNormChunk, n - first));
    }
  });
  return sums;
}

}  // namespace plumb::ops::cpu
