#include "data/tokenizer/block_classes.h"

#include <array>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#define PLUMB_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define PLUMB_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")))
#endif

namespace plumb::data {

#if defined(__x86_64__)

namespace {

struct Bytes {
  __m256i low, high;
};

PLUMB_AVX2 inline Bytes load(const char* from) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32))};
}
PLUMB_AVX2 inline uint64_t mask_of(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
}
PLUMB_AVX2 inline uint64_t is(const Bytes& bytes, int byte) {
  const __m256i all = _mm256_set1_epi8(static_cast<char>(byte));
  return mask_of(_mm256_cmpeq_epi8(bytes.low, all), _mm256_cmpeq_epi8(bytes.high, all));
}
PLUMB_AVX2 inline uint64_t within(const Bytes& bytes, int first, int last) {
  const __m256i least = _mm256_set1_epi8(static_cast<char>(first)),
                span = _mm256_set1_epi8(static_cast<char>(last - first));
  const __m256i low = _mm256_sub_epi8(bytes.low, least), high = _mm256_sub_epi8(bytes.high, least);
  return mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(low, span), low),
                 _mm256_cmpeq_epi8(_mm256_min_epu8(high, span), high));
}

PLUMB_AVX2 void classes_avx2(const char* block, BlockClasses& result) {
  const Bytes bytes = load(block);
  const __m256i lower = _mm256_set1_epi8(0x20);
  result.letter = within({_mm256_or_si256(bytes.low, lower), _mm256_or_si256(bytes.high, lower)}, 'a', 'z');
  result.number = within(bytes, '0', '9');
  result.space = is(bytes, ' ');
  result.white = result.space | within(bytes, '\t', '\r');
  result.apostrophe = is(bytes, '\'');
  result.high = mask_of(bytes.low, bytes.high);
  result.line = is(bytes, '\n') | is(bytes, '\r');
  result.inner = result.white2 = result.white3 = 0;
}

PLUMB_AVX512 inline __m512i all(int byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }

PLUMB_AVX512 void classes_avx512(const char* block, BlockClasses& result) {
  const __m512i bytes = _mm512_loadu_si512(block);
  result.letter = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(_mm512_or_si512(bytes, all(0x20)), all('a')), all(26));
  result.number = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, all('0')), all(10));
  result.space = _mm512_cmpeq_epi8_mask(bytes, all(' '));
  result.white = result.space | _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, all('\t')), all('\r' - '\t' + 1));
  result.apostrophe = _mm512_cmpeq_epi8_mask(bytes, all('\''));
  result.high = _mm512_movepi8_mask(bytes);
  result.line = _mm512_cmpeq_epi8_mask(bytes, all('\n')) | _mm512_cmpeq_epi8_mask(bytes, all('\r'));
  result.inner = result.white2 = result.white3 = 0;
}

// By the first byte or, where its characters are not all of one class, by the second too.
PLUMB_AVX2 void high_avx2(const char* block, HighBytes& result) {
  const Bytes first = load(block), second = load(block + 1), third = load(block + 2);
  result.inner = within(first, 0x80, 0xBF);
  result.letter3 = within(first, 0xE5, 0xE9) | within(first, 0xEB, 0xEC) |  // U+5000-9FFF U+B000-CFFF
                   (is(first, 0xEA) & within(second, 0xB0, 0xBF)) |         // U+AC00-AFFF
                   (is(first, 0xED) & within(second, 0x80, 0x9D)) |         // U+D000-D77F
                   (is(first, 0xE4) & ~is(second, 0xB7));                   // U+4000-4FFF but hexagrams
  result.letter2 = within(first, 0xC4, 0xCA) | within(first, 0xD0, 0xD1) |  // U+0100-02BF U+0400-047F
                   (is(first, 0xC3) & ~is(second, 0x97) & ~is(second, 0xB7));
  result.other = is(first, 0xE2) & is(second, 0x80) & within(third, 0x90, 0xA7);  // U+2010-2027: dashes, quotes, dots
}

PLUMB_AVX512 inline void store(uint32_t* to, __m128i sixteen, __m512i begin) {
  _mm512_storeu_si512(to, _mm512_add_epi32(_mm512_maskz_cvtepu8_epi32(0xFFFF, sixteen), begin));
}

PLUMB_AVX512 size_t places_avx512(const uint64_t* masks, size_t count, uint32_t* places) {
  alignas(64) static constexpr std::array<int8_t, 64> kPlaces = [] {
    std::array<int8_t, 64> all{};
    for (size_t i = 0; i < 64; ++i) all[i] = static_cast<int8_t>(i);
    return all;
  }();
  const __m512i each = _mm512_load_si512(kPlaces.data());
  size_t told = 0;
  for (size_t k = 0; k < count; ++k) {
    const __m512i bytes = _mm512_maskz_compress_epi8(masks[k], each);
    const __m512i begin = _mm512_set1_epi32(static_cast<int>(64 * k));
    const auto bits = static_cast<size_t>(std::popcount(masks[k]));
    store(places + told + 0, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 0), begin);
    if (bits > 16) {
      store(places + told + 16, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 1), begin);
      store(places + told + 32, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 2), begin);
      store(places + told + 48, _mm512_maskz_extracti32x4_epi32(0xF, bytes, 3), begin);
    }
    told += bits;
  }
  return told;
}

// Eight at a time: how many there are is no branch where it is hard to predict.
PLUMB_AVX2 size_t places_avx2(const uint64_t* masks, size_t count, uint32_t* places) {
  size_t told = 0;
  for (size_t k = 0; k < count; ++k) {
    uint64_t mask = masks[k];
    const auto bits = static_cast<size_t>(std::popcount(mask));
    for (size_t at = 0; at < bits; at += 8)
      for (size_t i = 0; i < 8; ++i, mask &= mask - 1)
        places[told + at + i] = static_cast<uint32_t>(64 * k) + static_cast<uint32_t>(std::countr_zero(mask));
    told += bits;
  }
  return told;
}

constexpr std::array<BlockTier, 2> kTiers{
    {{"avx512", classes_avx512, high_avx2, places_avx512}, {"avx2", classes_avx2, high_avx2, places_avx2}}};

}  // namespace

std::span<const BlockTier> block_tiers() {
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
  static const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512vbmi2");
  if (!avx2) return {};
  return std::span(kTiers).subspan(avx512 ? 0 : 1);
}

#else

std::span<const BlockTier> block_tiers() { return {}; }

#endif

const BlockTier* best_block_tier() {
  static const BlockTier* const best = block_tiers().empty() ? nullptr : block_tiers().data();
  return best;
}

}  // namespace plumb::data
