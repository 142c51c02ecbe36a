#include "data/dedup/minhash_kernel.h"

#include <cstring>

namespace plumb::data {
namespace {

constexpr size_t padding = 32;

// SplitMix64 (Steele, Lea, Flood 2014): the rows are the same on every machine and in every release.
uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Vector types of the compiler: one body, compiled for each instruction set.
typedef uint32_t Four __attribute__((vector_size(16)));
typedef uint32_t Eight __attribute__((vector_size(32)));
typedef uint32_t Sixteen __attribute__((vector_size(64)));

template <class V>
[[gnu::always_inline]] inline void lower(const MinhashRows& rows, const uint32_t* low, const uint32_t* high,
                                         size_t count, uint32_t* minima) {
  constexpr size_t lanes = sizeof(V) / sizeof(uint32_t);
  for (size_t row = 0; row < rows.low.size(); row += 2 * lanes) {
    V a0, a1, c0, c1, m0, m1;
    std::memcpy(&a0, &rows.low[row], sizeof(V)), std::memcpy(&a1, &rows.low[row + lanes], sizeof(V));
    std::memcpy(&c0, &rows.high[row], sizeof(V)), std::memcpy(&c1, &rows.high[row + lanes], sizeof(V));
    std::memcpy(&m0, &minima[row], sizeof(V)), std::memcpy(&m1, &minima[row + lanes], sizeof(V));
    for (size_t i = 0; i < count; ++i) {
      const V v0 = a0 * low[i] + c0 * high[i], v1 = a1 * low[i] + c1 * high[i];
      m0 = v0 < m0 ? v0 : m0;
      m1 = v1 < m1 ? v1 : m1;
    }
    std::memcpy(&minima[row], &m0, sizeof(V)), std::memcpy(&minima[row + lanes], &m1, sizeof(V));
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void lower_avx2(const MinhashRows& rows, const uint32_t* low, const uint32_t* high,
                                        size_t count, uint32_t* minima) {
  lower<Eight>(rows, low, high, count, minima);
}

[[gnu::target("avx512f,avx512dq,avx512vl,avx512bw")]] void lower_avx512(const MinhashRows& rows, const uint32_t* low,
                                                                        const uint32_t* high, size_t count,
                                                                        uint32_t* minima) {
  lower<Sixteen>(rows, low, high, count, minima);
}
#endif

}  // namespace

MinhashRows::MinhashRows(size_t count) : rows(count) {
  const size_t padded = (count + padding - 1) / padding * padding;
  uint64_t state = 0x706C756D62;  // any number; it is part of the format
  for (size_t i = 0; i < padded; ++i) {
    const uint64_t random = next_random(state);
    low.push_back(static_cast<uint32_t>(random) | 1);
    high.push_back(static_cast<uint32_t>(random >> 32));
  }
}

bool runs_here(MinhashPath path) {
#if defined(__x86_64__)
  if (path == MinhashPath::avx2) return __builtin_cpu_supports("avx2");
  if (path == MinhashPath::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
  return path == MinhashPath::plain;
}

MinhashPath best_path() {
  if (runs_here(MinhashPath::avx512)) return MinhashPath::avx512;
  return runs_here(MinhashPath::avx2) ? MinhashPath::avx2 : MinhashPath::plain;
}

void lower_minima(MinhashPath path, const MinhashRows& rows, const uint32_t* low, const uint32_t* high, size_t count,
                  uint32_t* minima) {
#if defined(__x86_64__)
  if (path == MinhashPath::avx512) return lower_avx512(rows, low, high, count, minima);
  if (path == MinhashPath::avx2) return lower_avx2(rows, low, high, count, minima);
#endif
  (void)path;
  lower<Four>(rows, low, high, count, minima);
}

}  // namespace plumb::data
