// Causal attention of one document and head: blocks of query rows against chunks of keys with the online softmax of
// FlashAttention (arXiv 2205.14135), every product a panel product of gemm_kernels.h in fp32.
#pragma once
#include "trainer/ops/cpu/elementwise_kernels.h"
#include "trainer/ops/cpu/gemm_kernels.h"

namespace plumb::ops::cpu {
namespace {

constexpr int64_t kQueries = 48;              // rows of a block, a multiple of every kTileRows
constexpr int64_t kKeys = 256;                // columns of a chunk
constexpr int64_t kScoreStride = kKeys + 16;  // not a power of two: rows must not share cache sets

inline int64_t padded(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

int64_t attention_scratch(int64_t length, int64_t head_dim, bool grad) {
  const int64_t width = padded(head_dim, kPanel), keys = padded(length, kPanel);
  const int64_t packed = keys * (head_dim + width) + (grad ? keys * head_dim : 0);
  const int64_t block = 2 * kQueries * kScoreStride + kQueries * (4 * head_dim + 4 * width) + 8 * kQueries;
  return packed + block + (grad ? 2 * keys * width : 0) + 64 * 16;
}

// Scratch is handed out in order, each piece on a cache line.
struct Arena {
  float* next;
  float* take(int64_t count) {
    float* piece = next;
    next += padded(count, 16);
    return piece;
  }
};

// [key panels][head_dim][kPanel]: keys are the columns (for scores).
template <class E>
void pack_transposed(const E* rows, int64_t stride, int64_t length, int64_t head_dim, float* out) {
  for (int64_t j = 0; j < length; j += kPanel, out += head_dim * kPanel) {
    pack_panel(rows + j * stride, 1, stride, head_dim, smaller(kPanel, length - j), out);
  }
}

// [head_dim panels][length][kPanel]: head_dim is the columns (for outputs).
template <class E>
void pack_rows_wide(const E* rows, int64_t stride, int64_t length, int64_t head_dim, float* out) {
  for (int64_t j = 0; j < head_dim; j += kPanel, out += length * kPanel) {
    pack_panel(rows + j, stride, 1, length, smaller(kPanel, head_dim - j), out);
  }
}

template <class E>
void copy_rows(const E* rows, int64_t stride, int64_t count, int64_t head_dim, float factor, float* out) {
  for (int64_t i = 0; i < count; ++i, rows += stride, out += head_dim) {
    int64_t d = 0;
    for (; d + kLanes <= head_dim; d += kLanes) store(out + d, load(rows + d) * factor);
    for (; d < head_dim; ++d) out[d] = to_float(rows[d]) * factor;
  }
}

// Columns [key, key + columns) of A K^T for the causal part: a tile of rows skips the panels wholly in its future.
inline void causal_product(const float* a, int64_t head_dim, const float* packed, int64_t row, int64_t rows,
                           int64_t key, int64_t columns, float* out) {
  for (int64_t i = 0; i < rows; i += kTileRows) {
    const int64_t count = smaller(kTileRows, rows - i), seen = smaller(columns, row + i + count - key);
    for (int64_t j = 0; j < seen; j += kPanel) {
      kTiles[count](head_dim, a + i * head_dim, head_dim, 1, packed + (key + j) * head_dim, out + i * kScoreStride + j,
                    kScoreStride, false);
    }
  }
}

// Sum of scores * values: out [rows, width] (+)= scores [rows, columns] times packed rows [key, key + columns).
inline void weighted_rows(const float* scores, const float* packed, int64_t length, int64_t row, int64_t rows,
                          int64_t key, int64_t columns, int64_t width, float* out, bool accumulate) {
  for (int64_t j = 0; j < width; j += kPanel) {
    for (int64_t i = 0; i < rows; i += kTileRows) {
      const int64_t count = smaller(kTileRows, rows - i), seen = smaller(columns, row + i + count - key);
      if (seen <= 0) continue;
      kTiles[count](seen, scores + i * kScoreStride, kScoreStride, 1, packed + j * length + key * kPanel,
                    out + i * width + j, width, accumulate);
    }
  }
}

// One row of a chunk: scores to exponentials, zero in the future up to `columns`; returns the sum, updates the maximum.
inline float softmax_row(float* scores, int64_t visible, int64_t columns, float* max) {
  float sum = 0;
  if (visible > 0) {
    const float chunk = row_maximum(scores, visible);
    if (chunk > *max) *max = chunk;
    sum = exponential_sum<true>(scores, scores, visible, *max);
  }
  for (int64_t j = visible > 0 ? visible : 0; j < columns; ++j) scores[j] = 0;
  return sum;
}

template <class E>
void write_rows(const float* rows, int64_t width, const float* factor, float common, int64_t count, int64_t head_dim,
                E* out, int64_t stride) {
  for (int64_t i = 0; i < count; ++i, rows += width, out += stride) {
    const float f = factor ? factor[i] : common;
    int64_t d = 0;
    for (; d + kLanes <= head_dim; d += kLanes) store(out + d, load(rows + d) * f);
    if (d < head_dim) store_part(out + d, load_part(rows + d, head_dim - d) * f, head_dim - d);
  }
}

// Sees keys [key, key + columns) from the rows of a block and folds them into out, max and sum.
inline void fold_chunk(float* scores, int64_t row, int64_t rows, int64_t key, int64_t columns, int64_t width,
                       float* out, float* max, float* sum) {
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t tile_end = smaller(i / kTileRows * kTileRows + kTileRows, rows);
    const int64_t seen = smaller(columns, row + tile_end - key), before_row = row + i + 1 - key;
    if (seen <= 0) continue;
    const float before = max[i];
    const float added = softmax_row(scores + i * kScoreStride, smaller(columns, before_row), seen, max + i);
    if (key > 0 && max[i] != before) {
      const float shrink = exp(broadcast(before - max[i]))[0];
      sum[i] *= shrink;
      for (int64_t d = 0; d < width; ++d) out[i * width + d] *= shrink;
    }
    sum[i] += added;
  }
}

template <class E>
void attention(const AttentionHead<E>& head, E* out, int64_t out_stride, float* lse, float* scratch) {
  const int64_t hd = head.head_dim, width = padded(hd, kPanel), length = head.length;
  Arena arena{scratch};
  float* keys = arena.take(padded(length, kPanel) * hd);
  float* values = arena.take(length * width);
  float* q = arena.take(kQueries * hd);
  float* scores = arena.take(kQueries * kScoreStride);
  float* rows_out = arena.take(kQueries * width);
  float* max = arena.take(kQueries);
  float* sum = arena.take(kQueries);
  pack_transposed(head.k, head.row_stride, length, hd, keys);
  pack_rows_wide(head.v, head.row_stride, length, hd, values);
  for (int64_t row = 0; row < length; row += kQueries) {
    const int64_t rows = smaller(kQueries, length - row);
    copy_rows(head.q + row * head.row_stride, head.row_stride, rows, hd, head.scale, q);
    for (int64_t i = 0; i < rows; ++i) max[i] = -__builtin_inff(), sum[i] = 0;
    for (int64_t key = 0; key < row + rows; key += kKeys) {
      const int64_t columns = smaller(kKeys, row + rows - key);
      causal_product(q, hd, keys, row, rows, key, columns, scores);
      fold_chunk(scores, row, rows, key, columns, width, rows_out, max, sum);
      weighted_rows(scores, values, length, row, rows, key, columns, width, rows_out, key > 0);
    }
    for (int64_t i = 0; i < rows; ++i) {
      lse[row + i] = max[i] + __builtin_logf(sum[i]);
      sum[i] = 1.0f / sum[i];
    }
    write_rows(rows_out, width, sum, 1.0f, rows, hd, out + row * out_stride, out_stride);
  }
}

// Pieces of the gradient's scratch: packed keys and values, one block of rows, and the sums over query blocks.
struct GradScratch {
  float *keys_t, *values_t, *keys, *dk, *dv;
  float *q, *dout, *q_panels, *dout_panels, *scores, *dscores, *dq, *projection;
};

template <class E>
GradScratch grad_scratch(const AttentionHead<E>& head, float* scratch) {
  const int64_t hd = head.head_dim, width = padded(hd, kPanel), keys = padded(head.length, kPanel);
  Arena arena{scratch};
  GradScratch s;
  s.keys_t = arena.take(keys * hd);
  s.values_t = arena.take(keys * hd);
  s.keys = arena.take(head.length * width);
  s.dk = arena.take(head.length * width);
  s.dv = arena.take(head.length * width);
  s.q = arena.take(kQueries * hd);
  s.dout = arena.take(kQueries * hd);
  s.q_panels = arena.take(kQueries * width);
  s.dout_panels = arena.take(kQueries * width);
  s.scores = arena.take(kQueries * kScoreStride);
  s.dscores = arena.take(kQueries * kScoreStride);
  s.dq = arena.take(kQueries * width);
  s.projection = arena.take(kQueries);
  pack_transposed(head.k, head.row_stride, head.length, hd, s.keys_t);
  pack_transposed(head.v, head.row_stride, head.length, hd, s.values_t);
  pack_rows_wide(head.k, head.row_stride, head.length, hd, s.keys);
  for (int64_t i = 0; i < head.length * width; ++i) s.dk[i] = s.dv[i] = 0;
  return s;
}

// scores -> probabilities, dscores -> probability * (dscore - projection); zero in the future.
inline void score_gradients(const GradScratch& s, const float* lse, int64_t row, int64_t rows, int64_t key,
                            int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    float* p = s.scores + i * kScoreStride;
    float* d = s.dscores + i * kScoreStride;
    const int64_t visible = smaller(columns, row + i + 1 - key);
    int64_t j = 0;
    for (; j + kLanes <= visible; j += kLanes) {
      const Vec probability = exp(load(p + j) - lse[i]);
      store(p + j, probability);
      store(d + j, probability * (load(d + j) - s.projection[i]));
    }
    if (j < visible) {
      const Vec probability = exp(load_part(p + j, visible - j) - lse[i]);
      const Vec gradient = probability * (load_part(d + j, visible - j) - s.projection[i]);
      store_part(p + j, probability, visible - j);
      store_part(d + j, gradient, visible - j);
      j = visible;
    }
    for (; j < columns; ++j) p[j] = d[j] = 0;
  }
}

// out[key + c, :] += sum over rows of scores[row, c] * panels[row, :]
inline void transposed_product(const float* scores, const float* panels, int64_t rows, int64_t key, int64_t columns,
                               int64_t width, float* out) {
  for (int64_t j = 0; j < width; j += kPanel) {
    panel_product(columns, rows, scores, 1, kScoreStride, panels + j * rows, out + key * width + j, width, true);
  }
}

template <class E>
void attention_grad_block(const AttentionHead<E>& head, const GradScratch& s, int64_t row, const E* out, const E* dout,
                          int64_t out_stride, const float* lse, E* dq) {
  const int64_t hd = head.head_dim, width = padded(hd, kPanel), rows = smaller(kQueries, head.length - row);
  const E* q = head.q + row * head.row_stride;
  copy_rows(q, head.row_stride, rows, hd, head.scale, s.q);
  copy_rows(dout + row * out_stride, out_stride, rows, hd, 1.0f, s.dout);
  pack_rows_wide(s.q, hd, rows, hd, s.q_panels);
  pack_rows_wide(s.dout, hd, rows, hd, s.dout_panels);
  for (int64_t i = 0; i < rows; ++i) {
    const E* o = out + (row + i) * out_stride;
    Vec dots = {};
    int64_t d = 0;
    for (; d + kLanes <= hd; d += kLanes) dots += load(o + d) * load(s.dout + i * hd + d);
    if (d < hd) dots += load_part(o + d, hd - d) * load_part(s.dout + i * hd + d, hd - d);
    s.projection[i] = reduce_add(dots);
  }
  for (int64_t key = 0; key < row + rows; key += kKeys) {
    const int64_t columns = smaller(kKeys, row + rows - key);
    causal_product(s.q, hd, s.keys_t, row, rows, key, columns, s.scores);
    causal_product(s.dout, hd, s.values_t, row, rows, key, columns, s.dscores);
    score_gradients(s, lse + row, row, rows, key, columns);
    weighted_rows(s.dscores, s.keys, head.length, row, rows, key, columns, width, s.dq, key > 0);
    transposed_product(s.scores, s.dout_panels, rows, key, columns, width, s.dv);
    transposed_product(s.dscores, s.q_panels, rows, key, columns, width, s.dk);
  }
  write_rows(s.dq, width, nullptr, head.scale, rows, hd, dq + row * head.row_stride, head.row_stride);
}

template <class E>
void attention_grad(const AttentionHead<E>& first, int64_t group, const E* out, const E* dout, int64_t out_stride,
                    const float* lse, int64_t lse_stride, E* dq, E* dk, E* dv, float* scratch) {
  const GradScratch s = grad_scratch(first, scratch);
  const int64_t hd = first.head_dim, width = padded(hd, kPanel);
  for (int64_t g = 0; g < group; ++g) {
    AttentionHead<E> head = first;
    head.q += g * hd;
    for (int64_t row = 0; row < head.length; row += kQueries) {
      attention_grad_block(head, s, row, out + g * hd, dout + g * hd, out_stride, lse + g * lse_stride, dq + g * hd);
    }
  }
  write_rows(s.dk, width, nullptr, 1.0f, first.length, hd, dk, first.row_stride);
  write_rows(s.dv, width, nullptr, 1.0f, first.length, hd, dv, first.row_stride);
}

}  // namespace
}  // namespace plumb::ops::cpu
