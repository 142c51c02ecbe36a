// The merges of several short pieces in turn. One piece's merges wait for one another, each for a few reads of tables;
// those of other pieces fill the time.
#include <algorithm>
#include <array>
#include <bit>

#include "data/tokenizer/bpe_model.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define PLUMB_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt")))
#endif

namespace plumb::data {

#if defined(__x86_64__)

namespace {

constexpr size_t kPlaces = 16;
constexpr size_t kMostSymbols = kPlaces - 2;
constexpr unsigned kPlaceBits = 4;
constexpr uint32_t kNoKey = UINT32_MAX;
constexpr size_t kLanes = 6;

// As in merge_short, with the keys of all places in two registers.
struct Lane {
  __m256i low, high;
  std::array<int32_t, kPlaces> at;
  uint32_t alive;
  uint32_t count;
  BpeModel::Piece* piece;
};

inline uint32_t key_of(uint32_t rank, size_t place) {
  return rank == MergeTable::kNone ? kNoKey : rank << kPlaceBits | static_cast<uint32_t>(place);
}

PLUMB_AVX2 inline void set_key(Lane& lane, size_t place, uint32_t key) {
  const __m256i where = _mm256_set1_epi32(static_cast<int>(place)), value = _mm256_set1_epi32(static_cast<int>(key));
  const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i second = _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15);
  lane.low = _mm256_blendv_epi8(lane.low, value, _mm256_cmpeq_epi32(first, where));
  lane.high = _mm256_blendv_epi8(lane.high, value, _mm256_cmpeq_epi32(second, where));
}

PLUMB_AVX2 inline uint32_t smallest(const Lane& lane) {
  const __m256i eight = _mm256_min_epu32(lane.low, lane.high);
  __m128i four = _mm_min_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_min_epu32(four, _mm_shuffle_epi32(four, 0x4E));
  four = _mm_min_epu32(four, _mm_shuffle_epi32(four, 0xB1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

// One merge; false: there is none.
PLUMB_AVX2 inline bool step(Lane& lane, const MergeTable& table) {
  const uint32_t best = smallest(lane);
  if (best == kNoKey) return false;
  const size_t i = best & (kPlaces - 1);
  const int32_t joined = table.result(best >> kPlaceBits);
  const uint32_t behind = lane.alive & (~uint32_t{1} << i);
  const auto right = static_cast<size_t>(std::countr_zero(behind));
  const auto next = static_cast<size_t>(std::countr_zero(behind & (behind - 1)));
  const auto before = static_cast<size_t>(31 - std::countl_zero(lane.alive & ((uint32_t{1} << i) - 1)));
  lane.alive ^= uint32_t{1} << right;
  lane.at[i] = joined;
  set_key(lane, right, kNoKey);
  set_key(lane, i, key_of(table.rank(joined, lane.at[next]), i));
  set_key(lane, before, key_of(table.rank(lane.at[before], joined), before));
  return true;
}

PLUMB_AVX2 inline void finish(const Lane& lane) {
  uint32_t kept = 0;
  for (uint32_t left = lane.alive & ~uint32_t{1} & ((uint32_t{2} << lane.count) - 1); left; left &= left - 1)
    lane.piece->ids[kept++] = lane.at[static_cast<size_t>(std::countr_zero(left))];
  lane.piece->count = kept;
}

}  // namespace

class BpeModel::Lanes {
 public:
  PLUMB_AVX2 static void run(const BpeModel& model, Piece** pieces, size_t count) {
    std::array<Lane, kLanes> lanes;
    std::array<Lane*, kLanes> active;
    size_t running = 0, next = 0;
    for (; running < kLanes && next < count; ++running) {
      active[running] = &lanes[running];
      start(model, *active[running], pieces[next++]);
    }
    while (running > 0) {
      for (size_t k = 0; k < running;) {
        if (step(*active[k], model.table_)) {
          ++k;
          continue;
        }
        finish(*active[k]);
        if (next < count)
          start(model, *active[k++], pieces[next++]);
        else
          active[k] = active[--running];
      }
    }
  }

 private:
  // piece->ids holds its first symbols.
  PLUMB_AVX2 static inline void start(const BpeModel& model, Lane& lane, Piece* piece) {
    const size_t count = piece->count;
    std::array<uint32_t, kPlaces> keys;
    keys.fill(kNoKey);
    std::copy_n(piece->ids, kMostSymbols, lane.at.data() + 1);
    lane.at[0] = lane.at[count + 1] = model.table_.nobody();
    if (model.every_byte_ && !model.characters_) {
      const auto* bytes = reinterpret_cast<const unsigned char*>(piece->begin);
      for (size_t i = 1; i < count; ++i) keys[i] = key_of(model.byte_pairs_[size_t{bytes[i - 1]} << 8 | bytes[i]], i);
    } else {
      for (size_t i = 1; i < count; ++i) keys[i] = key_of(model.table_.rank(lane.at[i], lane.at[i + 1]), i);
    }
    lane.low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys.data()));
    lane.high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys.data() + 8));
    lane.alive = (uint32_t{2} << (count + 1)) - 1;
    lane.count = static_cast<uint32_t>(count);
    lane.piece = piece;
  }
};

#else

class BpeModel::Lanes {
 public:
  static void run(const BpeModel&, Piece**, size_t) {}
};
constexpr size_t kMostSymbols = 0;

#endif

bool BpeModel::lanes_possible() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

void BpeModel::encode_many(Piece* pieces, size_t count) const {
  constexpr size_t kAtOnce = 64;
  std::array<Piece*, kAtOnce> waiting;
  size_t waits = 0;
  for (size_t k = 0; k < count; ++k) {
    Piece& piece = pieces[k];
    const std::string_view text(piece.begin, piece.size);
    if (whole_pieces_) {
      if (const auto found = whole_.find(text); found != whole_.end()) {
        piece.ids[0] = found->second;
        piece.count = 1;
        continue;
      }
    }
    piece.count = static_cast<uint32_t>(first_symbols(text, piece.ids));
    if (!lanes_ || piece.count > kMostSymbols) {
      piece.count = static_cast<uint32_t>(merge_piece(text, piece.ids, piece.count));
      continue;
    }
    waiting[waits++] = &piece;
    if (waits == kAtOnce) {
      Lanes::run(*this, waiting.data(), waits);
      waits = 0;
    }
  }
  if (waits > 0) Lanes::run(*this, waiting.data(), waits);
}

}  // namespace plumb::data
