// Vectors of the instruction set that the including unit is compiled for (GCC vector extensions), inside an unnamed
// namespace, so that units of different instruction sets never share a function.
#pragma once
#include <stdint.h>

#include "trainer/ops/cpu/kernels.h"

namespace plumb::ops::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kLanes = kVectorBytes / 4;

typedef float Vec __attribute__((vector_size(kVectorBytes)));
typedef int32_t Ints __attribute__((vector_size(kVectorBytes)));
typedef uint32_t Words __attribute__((vector_size(kVectorBytes)));
typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));

inline Vec broadcast(float x) { return x - Vec{}; }

inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
inline void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof(v)); }

inline Vec load(const bf16* p) {
  Halves h;
  __builtin_memcpy(&h, p, sizeof(h));
  return (Vec)(__builtin_convertvector(h, Words) << 16);
}
inline Halves to_halves(Vec v) {
  const Words bits = (Words)v;
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words kept = (v == v) ? rounded : (Words{} + 0x7fc0);
  return __builtin_convertvector(kept, Halves);
}
inline void store(bf16* p, Vec v) {
  const Halves h = to_halves(v);
  __builtin_memcpy(p, &h, sizeof(h));
}

// The first n < kLanes elements; the other lanes are 0.
template <class E>
inline Vec load_part(const E* p, int64_t n) {
  E buffer[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) buffer[i] = p[i];
  return load(buffer);
}
template <class E>
inline void store_part(E* p, Vec v, int64_t n) {
  E buffer[kLanes];
  store(buffer, v);
  for (int64_t i = 0; i < n; ++i) p[i] = buffer[i];
}

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float f;
  __builtin_memcpy(&f, &bits, sizeof(f));
  return f;
}

// v rounded to the precision of E.
inline Vec round_to(const float*, Vec v) { return v; }
inline Vec round_to(const bf16*, Vec v) { return (Vec)(__builtin_convertvector(to_halves(v), Words) << 16); }

inline Vec maximum(Vec a, Vec b) { return a > b ? a : b; }

// Sums and maxima across lanes, by a fixed tree of halves.
typedef float Quarter __attribute__((vector_size(16)));
#if defined(__AVX2__)
typedef float Half __attribute__((vector_size(32)));
inline Quarter lower(Half v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
inline Quarter upper(Half v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }
#endif
#if defined(__AVX512F__)
inline Half lower(Vec v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7); }
inline Half upper(Vec v) { return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15); }
#endif

template <class V>
inline float reduce_add(V v) {
  if constexpr (sizeof(V) == 16) {
    return (v[0] + v[2]) + (v[1] + v[3]);
  } else {
    return reduce_add(lower(v) + upper(v));
  }
}
template <class V>
inline float reduce_max(V v) {
  if constexpr (sizeof(V) == 16) {
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
  } else {
    return reduce_max(lower(v) > upper(v) ? lower(v) : upper(v));
  }
}

// e^x to about 1 ulp for x in [-87.3, 88]; 0 below (subnormal results are flushed), inf above 88.4, NaN stays NaN.
// Cody-Waite reduction by ln 2 and the degree-5 polynomial of Cephes expf.
inline Vec exp(Vec x) {
  const Vec low = broadcast(-87.33654f), high = broadcast(89.0f);
  const Vec clamped = x > high ? high : (x < low ? low : x);
  const Vec magic = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest integer
  const Vec shifted = clamped * 1.44269504088896341f + magic;
  const Vec n = shifted - magic;
  Vec r = clamped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Vec p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Ints exponent = ((Ints)shifted - (Ints)magic + 127) << 23;
  const Vec result = p * (Vec)exponent;
  return x < low ? Vec{} : result;
}

inline Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

}  // namespace
}  // namespace plumb::ops::cpu
