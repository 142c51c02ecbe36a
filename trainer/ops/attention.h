// Causal attention with grouped query heads over packed documents.
// qkv [T, (n + 2 nkv) * hd]: a row is q heads | k heads | v heads. doc_offsets int32 [D+1] on the CPU, first 0, last T:
// position t of a document attends to the positions <= t of the same document, nothing else.
// Online softmax as in FlashAttention (arXiv 2205.14135): nothing of size T x T is kept.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace plumb::ops {

struct AttentionShape {
  int64_t heads, kv_heads, head_dim;
  double scale;
};
struct AttentionOut {
  at::Tensor out;  // [T, n * hd], dtype of qkv
  at::Tensor lse;  // [n, T] fp32 log-sum-exp of the scaled scores: partial results merge by it
};
AttentionOut attention(const at::Tensor& qkv, const at::Tensor& doc_offsets, AttentionShape shape);
// Returns dqkv [T, (n + 2 nkv) * hd]. Deterministic for a fixed thread count.
at::Tensor attention_grad(const at::Tensor& dout, const at::Tensor& qkv, const AttentionOut& saved,
                          const at::Tensor& doc_offsets, AttentionShape shape);
// One decoding step per sequence against a cache: q [B, n * hd]; k_cache, v_cache [B, max, nkv * hd]; lengths int32 [B]
// (valid cache entries, the new one included). Returns [B, n * hd].
at::Tensor attention_decode(const at::Tensor& q, const at::Tensor& k_cache, const at::Tensor& v_cache,
                            const at::Tensor& lengths, AttentionShape shape);

}  // namespace plumb::ops
