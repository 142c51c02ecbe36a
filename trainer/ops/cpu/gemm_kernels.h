// Matrix product in fp32 by register tiles over packed panels (Goto and van de Geijn, doi 10.1145/1356052.1356053).
// The sum over k runs in a fixed order whatever the split of C over threads: the same bits for any thread count.
#pragma once
#include "trainer/ops/cpu/vector.h"

namespace plumb::ops::cpu {
namespace {

constexpr int kTileVectors = 2;
constexpr int kPanel = kTileVectors * kLanes;  // columns of a tile
#if defined(__AVX512F__)
constexpr int kTileRows = 12;  // 24 of 32 registers accumulate
#elif defined(__AVX2__)
constexpr int kTileRows = 6;  // 12 of 16
#else
constexpr int kTileRows = 4;
#endif
constexpr int64_t kDepth = 320;            // k of a packed panel: kPanel * kDepth floats stay in the first-level cache
constexpr int64_t kBlockRows = 20 * 12;    // a packed block of A stays in the second-level cache
constexpr int64_t kBlockColumns = 8 * 64;  // a packed block of B likewise

// C[kRows, kPanel] (+)= A[kRows, depth] B; b is a packed panel [depth][kPanel].
template <int kRows>
void tile(int64_t depth, const float* a, int64_t a_row, int64_t a_column, const float* b, float* c, int64_t c_row,
          bool accumulate) {
  Vec sums[kRows][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileVectors; ++j) sums[i][j] = accumulate ? load(c + i * c_row + j * kLanes) : Vec{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    const Vec b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Vec x = broadcast(a[i * a_row]);
      sums[i][0] += x * b0;
      sums[i][1] += x * b1;
    }
    a += a_column;
    b += kPanel;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileVectors; ++j) store(c + i * c_row + j * kLanes, sums[i][j]);
  }
}

using Tile = void (*)(int64_t, const float*, int64_t, int64_t, const float*, float*, int64_t, bool);
constexpr Tile kTiles[] = {nullptr, tile<1>, tile<2>, tile<3>,  tile<4>,
#if defined(__AVX512F__) || defined(__AVX2__)
                           tile<5>, tile<6>,
#endif
#if defined(__AVX512F__)
                           tile<7>, tile<8>, tile<9>, tile<10>, tile<11>,
                           tile<12>
#endif
};

// C[rows, kPanel] by tiles.
inline void panel_product(int64_t rows, int64_t depth, const float* a, int64_t a_row, int64_t a_column, const float* b,
                          float* c, int64_t c_row, bool accumulate) {
  int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    tile<kTileRows>(depth, a + i * a_row, a_row, a_column, b, c + i * c_row, c_row, accumulate);
  }
  if (i < rows) kTiles[rows - i](depth, a + i * a_row, a_row, a_column, b, c + i * c_row, c_row, accumulate);
}

// Rows [0, depth) and columns [0, columns) of B into one panel [depth][kPanel], zero-padded on the right.
template <class E>
void pack_panel(const E* b, int64_t row, int64_t column, int64_t depth, int64_t columns, float* panel) {
  if (column == 1 && columns == kPanel) {
    for (int64_t k = 0; k < depth; ++k, panel += kPanel, b += row) {
      store(panel, load(b));
      store(panel + kLanes, load(b + kLanes));
    }
    return;
  }
  if (columns < kPanel) {
    for (int64_t i = 0; i < depth * kPanel; i += kLanes) store(panel + i, Vec{});
  }
  // Along the contiguous direction of B in the inner loop: reads are whole lines.
  if (column == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t j = 0; j < columns; ++j) panel[k * kPanel + j] = to_float(b[k * row + j]);
    }
    return;
  }
  constexpr int64_t kStrip = 16;
  for (int64_t first = 0; first < depth; first += kStrip) {
    const int64_t last = first + kStrip < depth ? first + kStrip : depth;
    for (int64_t j = 0; j < columns; ++j) {
      const E* source = b + j * column;
      for (int64_t k = first; k < last; ++k) panel[k * kPanel + j] = to_float(source[k * row]);
    }
  }
}

// A block of A as panels of kTileRows rows: [panel][depth][kTileRows].
template <class E>
void pack_rows(const E* a, int64_t row, int64_t column, int64_t rows, int64_t depth, float* packed) {
  for (int64_t i = 0; i < rows; i += kTileRows, packed += depth * kTileRows) {
    const int64_t count = rows - i < kTileRows ? rows - i : kTileRows;
    const E* source = a + i * row;
    if (count == kTileRows && row == 1) {
      for (int64_t k = 0; k < depth; ++k) {
        for (int64_t r = 0; r < kTileRows; ++r) packed[k * kTileRows + r] = to_float(source[k * column + r]);
      }
      continue;
    }
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t k = 0; k < depth; ++k) packed[k * kTileRows + r] = to_float(source[r * row + k * column]);
    }
  }
}

// fp32 rows that are contiguous along k are read where they stand.
inline const float* rows_in_place(const float* a, int64_t column) { return column == 1 ? a : nullptr; }
inline const float* rows_in_place(const bf16*, int64_t) { return nullptr; }

struct Block {
  int64_t rows, columns, depth;
};

// One block of C from packed B (and packed or plain A).
inline void block_product(const Block& block, const float* plain, const float* packed, const Gemm& g, const float* b,
                          float* c, bool accumulate) {
  float edge[kTileRows * kPanel];
  for (int64_t j = 0; j < block.columns; j += kPanel, b += block.depth * kPanel) {
    const int64_t width = block.columns - j < kPanel ? block.columns - j : kPanel;
    for (int64_t i = 0; i < block.rows; i += kTileRows) {
      const int64_t count = block.rows - i < kTileRows ? block.rows - i : kTileRows;
      const float* a = plain ? plain + i * g.a_row : packed + i * block.depth;
      const int64_t a_row = plain ? g.a_row : 1, a_column = plain ? 1 : kTileRows;
      float* target = c + i * g.c_row + j;
      if (width == kPanel) {
        kTiles[count](block.depth, a, a_row, a_column, b, target, g.c_row, accumulate);
        continue;
      }
      kTiles[count](block.depth, a, a_row, a_column, b, edge, kPanel, false);
      for (int64_t r = 0; r < count; ++r) {
        for (int64_t x = 0; x < width; ++x) {
          float& out = target[r * g.c_row + x];
          out = accumulate ? out + edge[r * kPanel + x] : edge[r * kPanel + x];
        }
      }
    }
  }
}

int64_t gemm_scratch() { return kDepth * (kBlockColumns + kPanel + kBlockRows + kTileRows); }

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

template <class E>
void gemm(const Gemm& g, const E* a, const E* b, float* c, float* scratch) {
  float* packed_b = scratch;
  float* packed_a = scratch + kDepth * (kBlockColumns + kPanel);
  if (g.k == 0 && !g.accumulate) {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) c[i * g.c_row + j] = 0;
    }
  }
  const int64_t parts = (g.k + kDepth - 1) / kDepth;
  const int64_t even = parts ? (g.k + parts - 1) / parts : 0;  // equal parts, so that none is a sliver
  for (int64_t j = 0; j < g.n; j += kBlockColumns) {
    const int64_t columns = smaller(kBlockColumns, g.n - j);
    for (int64_t k = 0; k < g.k; k += even) {
      const int64_t depth = smaller(even, g.k - k);
      for (int64_t p = 0; p < columns; p += kPanel) {
        pack_panel(b + k * g.b_row + (j + p) * g.b_column, g.b_row, g.b_column, depth, smaller(kPanel, columns - p),
                   packed_b + p * depth);
      }
      for (int64_t i = 0; i < g.m; i += kBlockRows) {
        const int64_t rows = smaller(kBlockRows, g.m - i);
        const E* block_a = a + i * g.a_row + k * g.a_column;
        const float* plain = rows_in_place(block_a, g.a_column);
        if (!plain) pack_rows(block_a, g.a_row, g.a_column, rows, depth, packed_a);
        block_product({rows, columns, depth}, plain, packed_a, g, packed_b, c + i * g.c_row + j, g.accumulate || k > 0);
      }
    }
  }
}

}  // namespace
}  // namespace plumb::ops::cpu
