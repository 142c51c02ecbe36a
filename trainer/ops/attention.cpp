#include "trainer/ops/attention.h"

#include <ATen/ATen.h>

#include <limits>

#include "trainer/ops/check.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/cpu_ops.h"

namespace plumb::ops {
namespace {

void check_packed(const at::Tensor& qkv, const at::Tensor& doc_offsets, const AttentionShape& shape, const char* op) {
  const bool heads_fit = shape.heads > 0 && shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0;
  require(heads_fit && shape.head_dim > 0, op, "heads a multiple of kv_heads", qkv);
  require_shape(qkv, {-1, (shape.heads + 2 * shape.kv_heads) * shape.head_dim}, op, "qkv [T, (n + 2 nkv) * hd]");
  require_shape(doc_offsets, {-1}, op, "doc_offsets [D+1]");
  require(doc_offsets.is_cpu() && doc_offsets.scalar_type() == at::kInt && doc_offsets.size(0) >= 1, op,
          "doc_offsets int32 on the CPU", doc_offsets);
  const int32_t* offsets = doc_offsets.data_ptr<int32_t>();
  const int64_t documents = doc_offsets.size(0) - 1;
  bool ordered = offsets[0] == 0 && offsets[documents] == qkv.size(0);
  for (int64_t d = 0; d < documents; ++d) ordered = ordered && offsets[d] <= offsets[d + 1];
  require(ordered, op, "doc_offsets ascending from 0 to T", doc_offsets);
}

// One document's heads: q [n, L, hd], k and v [n, L, hd] (repeated for grouped query heads), in the accumulation type.
struct Document {
  at::Tensor q, k, v;
};

at::Tensor heads_first(const at::Tensor& rows, int64_t begin, int64_t heads, int64_t head_dim) {
  return rows.narrow(1, begin * head_dim, heads * head_dim).unflatten(1, {heads, head_dim}).transpose(0, 1);
}

Document document(const at::Tensor& qkv, int64_t begin, int64_t end, const AttentionShape& shape) {
  at::Tensor rows = qkv.narrow(0, begin, end - begin).to(accumulation_type(qkv));
  const int64_t group = shape.heads / shape.kv_heads;
  at::Tensor k = heads_first(rows, shape.heads, shape.kv_heads, shape.head_dim);
  at::Tensor v = heads_first(rows, shape.heads + shape.kv_heads, shape.kv_heads, shape.head_dim);
  return {heads_first(rows, 0, shape.heads, shape.head_dim), k.repeat_interleave(group, 0),
          v.repeat_interleave(group, 0)};
}

constexpr int64_t kQueryRows = 256;  // scores of this many rows exist at a time

// Scaled causal scores [n, rows, first + rows] of the query rows [first, first + rows) of a document.
at::Tensor causal_scores(const Document& doc, int64_t first, int64_t rows, double scale) {
  at::Tensor scores =
      at::matmul(doc.q.narrow(1, first, rows), doc.k.narrow(1, 0, first + rows).transpose(1, 2)) * scale;
  at::Tensor future = at::ones({rows, first + rows}, scores.options().dtype(at::kBool)).triu_(first + 1);
  return scores.masked_fill_(future, -std::numeric_limits<double>::infinity());
}

}  // namespace

AttentionOut attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape) {
  check_packed(qkv, doc_offsets, shape, "attention");
  if (has_cpu_kernel(qkv)) return cpu::attention(qkv, doc_offsets, shape);
  return composition::attention(qkv, doc_offsets, shape);
}

at::Tensor attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                          const at::Tensor& doc_offsets, AttentionShape shape) {
  check_packed(qkv, doc_offsets, shape, "attention_grad");
  require_shape(dout, {qkv.size(0), shape.heads * shape.head_dim}, "attention_grad", "dout [T, n * hd]");
  require_shape(saved.out, {qkv.size(0), shape.heads * shape.head_dim}, "attention_grad", "out [T, n * hd]");
  require_shape(saved.lse, {shape.heads, qkv.size(0)}, "attention_grad", "lse [n, T]");
  require(dout.scalar_type() == qkv.scalar_type(), "attention_grad", "dout of qkv's dtype", dout);
  require(saved.out.scalar_type() == qkv.scalar_type(), "attention_grad", "out of qkv's dtype", saved.out);
  if (has_cpu_kernel(qkv)) return cpu::attention_grad(dout, qkv, saved, doc_offsets, shape);
  return composition::attention_grad(dout, qkv, saved, doc_offsets, shape);
}

at::Tensor attention_decode(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& lengths, AttentionShape shape) {
  require_shape(q, {-1, shape.heads * shape.head_dim}, "attention_decode", "q [B, n * hd]");
  require_shape(k_cache, {q.size(0), -1, shape.kv_heads * shape.head_dim}, "attention_decode",
                "k_cache [B, max, nkv * hd]");
  require_shape(v_cache, {q.size(0), k_cache.size(1), shape.kv_heads * shape.head_dim}, "attention_decode",
                "v_cache [B, max, nkv * hd]");
  require_shape(lengths, {q.size(0)}, "attention_decode", "lengths [B]");
  require(lengths.scalar_type() == at::kInt, "attention_decode", "lengths int32", lengths);
  return composition::attention_decode(q, k_cache, v_cache, lengths, shape);
}

AttentionOut composition::attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape) {
  const int64_t positions = qkv.size(0);
  at::Tensor out = at::empty({positions, shape.heads * shape.head_dim}, qkv.options());
  at::Tensor lse = at::empty({shape.heads, positions}, qkv.options().dtype(accumulation_type(qkv)));
  const int32_t* offsets = doc_offsets.data_ptr<int32_t>();
  for (int64_t d = 0; d + 1 < doc_offsets.size(0); ++d) {
    const int64_t length = offsets[d + 1] - offsets[d];
    if (length == 0) continue;
    const Document doc = document(qkv, offsets[d], offsets[d + 1], shape);
    for (int64_t first = 0; first < length; first += kQueryRows) {
      const int64_t rows = std::min(kQueryRows, length - first), row = offsets[d] + first;
      at::Tensor scores = causal_scores(doc, first, rows, shape.scale);
      at::Tensor part = scores.logsumexp(2);
      at::Tensor values = at::matmul((scores - part.unsqueeze(2)).exp_(), doc.v.narrow(1, 0, first + rows));
      out.narrow(0, row, rows).unflatten(1, {shape.heads, shape.head_dim}).copy_(values.transpose(0, 1));
      lse.narrow(1, row, rows).copy_(part);
    }
  }
  return {out, lse};
}

at::Tensor composition::attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                                       const at::Tensor& doc_offsets, AttentionShape shape) {
  const at::ScalarType wide = accumulation_type(qkv);
  const int64_t n = shape.heads, nkv = shape.kv_heads, hd = shape.head_dim;
  at::Tensor dqkv = at::empty_like(qkv);
  const int32_t* offsets = doc_offsets.data_ptr<int32_t>();
  for (int64_t d = 0; d + 1 < doc_offsets.size(0); ++d) {
    const int64_t begin = offsets[d], length = offsets[d + 1] - begin;
    if (length == 0) continue;
    const Document doc = document(qkv, begin, begin + length, shape);
    at::Tensor dq = at::empty_like(doc.q), dk = at::zeros_like(doc.k), dv = at::zeros_like(doc.v);
    for (int64_t first = 0; first < length; first += kQueryRows) {
      const int64_t rows = std::min(kQueryRows, length - first), row = begin + first, seen = first + rows;
      at::Tensor out = heads_first(saved.out.narrow(0, row, rows).to(wide), 0, n, hd);
      at::Tensor grad = heads_first(dout.narrow(0, row, rows).to(wide), 0, n, hd);
      at::Tensor lse = saved.lse.narrow(1, row, rows).to(wide).unsqueeze(2);
      at::Tensor probabilities = (causal_scores(doc, first, rows, shape.scale) - lse).exp_();
      dv.narrow(1, 0, seen).add_(at::matmul(probabilities.transpose(1, 2), grad));
      at::Tensor dscores = at::matmul(grad, doc.v.narrow(1, 0, seen).transpose(1, 2));
      dscores = (dscores - (grad * out).sum(2, /*keepdim=*/true)) * probabilities * shape.scale;
      dq.narrow(1, first, rows).copy_(at::matmul(dscores, doc.k.narrow(1, 0, seen)));
      dk.narrow(1, 0, seen).add_(at::matmul(dscores.transpose(1, 2), doc.q.narrow(1, first, rows)));
    }
    at::Tensor rows = dqkv.narrow(0, begin, length);
    heads_first(rows, 0, n, hd).copy_(dq);
    heads_first(rows, n, nkv, hd).copy_(dk.unflatten(0, {nkv, n / nkv}).sum(1));
    heads_first(rows, n + nkv, nkv, hd).copy_(dv.unflatten(0, {nkv, n / nkv}).sum(1));
  }
  return dqkv;
}

at::Tensor composition::attention_decode(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                                         const at::Tensor& lengths, AttentionShape shape) {
  const at::ScalarType wide = accumulation_type(q);
  const int64_t n = shape.heads, nkv = shape.kv_heads, hd = shape.head_dim;
  at::Tensor out = at::empty_like(q), host = lengths.cpu();
  for (int64_t b = 0; b < q.size(0); ++b) {
    const int64_t length = host.data_ptr<int32_t>()[b];
    require(length >= 1 && length <= k_cache.size(1), "attention_decode", "lengths from 1 to max", lengths);
    at::Tensor query = q.select(0, b).to(wide).view({nkv, n / nkv, hd});
    at::Tensor k = heads_first(k_cache.select(0, b).narrow(0, 0, length).to(wide), 0, nkv, hd);
    at::Tensor v = heads_first(v_cache.select(0, b).narrow(0, 0, length).to(wide), 0, nkv, hd);
    at::Tensor weights = (at::matmul(query, k.transpose(1, 2)) * shape.scale).softmax(2);
    out.select(0, b).copy_(at::matmul(weights, v).flatten());
  }
  return out;
}

}  // namespace plumb::ops
