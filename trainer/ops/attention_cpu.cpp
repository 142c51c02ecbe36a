#include <ATen/ATen.h>

#include "trainer/ops/cpu_ops.h"
#include "trainer/ops/parallel.h"

namespace plumb::ops::cpu {
namespace {

struct Document {
  int64_t begin, length;
};

std::vector<Document> documents(const at::Tensor& doc_offsets) {
  const int32_t* offsets = data<int32_t>(doc_offsets);
  std::vector<Document> result;
  for (int64_t d = 0; d + 1 < doc_offsets.size(0); ++d) {
    if (offsets[d + 1] > offsets[d]) result.push_back({offsets[d], offsets[d + 1] - offsets[d]});
  }
  return result;
}

// Contiguous ranges of (document, head) pairs, one a thread, of about equal cost. A range per pair computes the same
// bits, so the split only moves work.
std::vector<int64_t> split_work(const std::vector<Document>& documents, int64_t heads, int64_t threads) {
  double total = 0, done = 0;
  auto cost = [](const Document& d) { return static_cast<double>(d.length) * (static_cast<double>(d.length) + 64); };
  for (const Document& d : documents) total += cost(d) * static_cast<double>(heads);
  std::vector<int64_t> borders = {0};
  int64_t pair = 0;
  for (const Document& d : documents) {
    for (int64_t h = 0; h < heads; ++h, ++pair) {
      const double share = total * static_cast<double>(borders.size()) / static_cast<double>(threads);
      if (done + cost(d) / 2 >= share && static_cast<int64_t>(borders.size()) < threads) borders.push_back(pair);
      done += cost(d);
    }
  }
  borders.push_back(pair);
  return borders;
}

template <class Function>
void for_each_pair(const std::vector<Document>& documents, int64_t heads, int64_t head_dim, bool grad,
                   Function&& function) {
  int64_t longest = 0, positions = 0;
  for (const Document& d : documents) longest = std::max(longest, d.length), positions += d.length;
  const bool small = positions * heads * head_dim < kGrainElements;
  const std::vector<int64_t> borders = split_work(documents, heads, small ? 1 : intra_op_threads());
  parallel_for(static_cast<int64_t>(borders.size()) - 1, 1, [&](int64_t begin, int64_t end) {
    float* scratch = thread_scratch(ScratchSlot::kernel, kernels().common.attention_scratch(longest, head_dim, grad));
    for (int64_t pair = borders[static_cast<size_t>(begin)]; pair < borders[static_cast<size_t>(end)]; ++pair) {
      function(documents[static_cast<size_t>(pair / heads)], pair % heads, scratch);
    }
  });
}

template <class E>
AttentionHead<E> head_of(const at::Tensor& qkv, const AttentionShape& s, const Document& d, int64_t q, int64_t kv) {
  const E* row = data<E>(qkv) + d.begin * qkv.size(1);
  return {row + q * s.head_dim,
          row + (s.heads + kv) * s.head_dim,
          row + (s.heads + s.kv_heads + kv) * s.head_dim,
          qkv.size(1),
          d.length,
          s.head_dim,
          static_cast<float>(s.scale)};
}

}  // namespace

AttentionOut attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape) {
  const int64_t positions = qkv.size(0), width = shape.heads * shape.head_dim, group = shape.heads / shape.kv_heads;
  AttentionOut result{at::empty({positions, width}, qkv.options()),
                      at::empty({shape.heads, positions}, qkv.options().dtype(at::kFloat))};
  by_type(qkv, [&](auto type) {
    using E = decltype(type);
    for_each_pair(documents(doc_offsets), shape.heads, shape.head_dim, false,
                  [&](const Document& d, int64_t head, float* scratch) {
                    typed_kernels<E>().attention(head_of<E>(qkv, shape, d, head, head / group),
                                                 data<E>(result.out) + d.begin * width + head * shape.head_dim, width,
                                                 data<float>(result.lse) + head * positions + d.begin, scratch);
                  });
  });
  return result;
}

at::Tensor attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                          const at::Tensor& doc_offsets, AttentionShape shape) {
  const int64_t positions = qkv.size(0), width = shape.heads * shape.head_dim, group = shape.heads / shape.kv_heads;
  at::Tensor dqkv = at::empty_like(qkv);
  by_type(qkv, [&](auto type) {
    using E = decltype(type);
    for_each_pair(documents(doc_offsets), shape.kv_heads, shape.head_dim, true,
                  [&](const Document& d, int64_t kv, float* scratch) {
                    const int64_t at = d.begin * width + kv * group * shape.head_dim;
                    E* row = data<E>(dqkv) + d.begin * qkv.size(1);
                    typed_kernels<E>().attention_grad(
                        head_of<E>(qkv, shape, d, kv * group, kv), group, data<E>(saved.out) + at, data<E>(dout) + at,
                        width, data<float>(saved.lse) + kv * group * positions + d.begin, positions,
                        row + kv * group * shape.head_dim, row + (shape.heads + kv) * shape.head_dim,
                        row + (shape.heads + shape.kv_heads + kv) * shape.head_dim, scratch);
                  });
  });
  return dqkv;
}

}  // namespace plumb::ops::cpu
