// Philox4x32-10 (Salmon et al., SC11, doi 10.1145/2063384.2063405): random numbers as a pure function of a key and a
// counter. Nothing to save, the same on any mesh. Header only, also used by CUDA code.
#pragma once
#include <cstdint>

#ifdef __CUDACC__
#define PLUMB_HOST_DEVICE __host__ __device__
#else
#define PLUMB_HOST_DEVICE
#endif

namespace plumb::core {

struct Philox4 {
  uint32_t x[4];
};

PLUMB_HOST_DEVICE inline Philox4 philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1), c3 = static_cast<uint32_t>(p0), c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// (0, 1): 23 bits and a half, all exact in a float, never 0 or 1.
PLUMB_HOST_DEVICE inline float uniform01(uint32_t bits) { return (static_cast<float>(bits >> 9) + 0.5f) * 0x1p-23f; }

// Purposes keep streams apart: key = mix(seed, purpose).
enum class RandomPurpose : uint64_t {
  initial_value = 1,
  order = 2,
  dropout = 3,
  sampling = 4,
  bootstrap = 5,
  lora_init = 6
};
PLUMB_HOST_DEVICE inline uint64_t random_key(uint64_t seed, RandomPurpose purpose) {
  uint64_t z = seed + 0x9E3779B97F4A7C15ull * (static_cast<uint64_t>(purpose) + 1);  // splitmix64
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace plumb::core
