// The inner loop of MinHash: minima of many hash functions over many shingles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace plumb::data {

// Row i hashes a 64-bit shingle x to low[i] * (x mod 2^32) + high[i] * (x / 2^32) mod 2^32. Any two rows whose
// determinant is odd are exactly independent over random x, which a multiply-and-add of one half would not be.
struct MinhashRows {
  explicit MinhashRows(size_t rows);
  size_t rows;                      // wanted
  std::vector<uint32_t> low, high;  // padded to a multiple of 32
};

enum class MinhashPath { plain, avx2, avx512 };  // the same numbers on each
bool runs_here(MinhashPath);
MinhashPath best_path();

// minima[i] = min(minima[i], hash_i(x)) for the `count` shingles whose halves are given. minima is as long as low.
void lower_minima(MinhashPath, const MinhashRows&, const uint32_t* low_halves, const uint32_t* high_halves,
                  size_t count, uint32_t* minima);

}  // namespace plumb::data
