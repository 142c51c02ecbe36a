// The merges of one piece: always the pair of the lowest rank, the leftmost of equal ones, until no pair is left.
#include <algorithm>
#include <array>
#include <bit>

#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/long_merge.h"

namespace plumb::data {

// Symbols stay where they are; a joined right half leaves `alive`. keys[i] is the rank of the pair that begins at i,
// with i below it, so that the smallest key is the pair to join. Places 0 and count + 1 hold a token that joins
// nothing.
size_t BpeModel::merge_short(int32_t* symbols, size_t count, const unsigned char* bytes) const {
  if (count < 2) return count;
  constexpr uint32_t kNoKey = UINT32_MAX;
  constexpr unsigned kPlaceBits = 6;
  std::array<int32_t, kShort + 2> at;
  std::array<uint32_t, kShort + 8> keys;
  at[0] = at[count + 1] = table_.nobody();
  std::copy(symbols, symbols + count, at.data() + 1);
  const auto key = [](uint32_t rank, size_t place) {
    return rank == MergeTable::kNone ? kNoKey : rank << kPlaceBits | static_cast<uint32_t>(place);
  };
  keys[0] = kNoKey;
  if (bytes)
    for (size_t i = 1; i < count; ++i) keys[i] = key(byte_pairs_[size_t{bytes[i - 1]} << 8 | bytes[i]], i);
  else
    for (size_t i = 1; i < count; ++i) keys[i] = key(table_.rank(at[i], at[i + 1]), i);
  const size_t pairs = (count + 3) & ~size_t{3};  // a multiple of four from keys[0] on
  for (size_t i = count; i < pairs + 4; ++i) keys[i] = kNoKey;
  uint64_t alive = (uint64_t{2} << (count + 1)) - 1;
  for (;;) {
    uint32_t a = keys[0], b = keys[1], c = keys[2], d = keys[3];
    for (size_t i = 4; i < pairs; i += 4) {
      a = std::min(a, keys[i]);
      b = std::min(b, keys[i + 1]);
      c = std::min(c, keys[i + 2]);
      d = std::min(d, keys[i + 3]);
    }
    const uint32_t best = std::min(std::min(a, b), std::min(c, d));
    if (best == kNoKey) break;
    const size_t i = best & ((1u << kPlaceBits) - 1);
    const int32_t joined = table_.result(best >> kPlaceBits);
    const uint64_t behind = alive & (~uint64_t{1} << i);
    const auto right = static_cast<size_t>(std::countr_zero(behind));
    const auto next = static_cast<size_t>(std::countr_zero(behind & (behind - 1)));
    const auto before = static_cast<size_t>(63 - std::countl_zero(alive & ((uint64_t{1} << i) - 1)));
    alive ^= uint64_t{1} << right;
    at[i] = joined;
    keys[right] = kNoKey;
    keys[i] = key(table_.rank(joined, at[next]), i);
    keys[before] = key(table_.rank(at[before], joined), before);
  }
  size_t kept = 0;
  for (uint64_t left = alive & ~uint64_t{1} & ((uint64_t{2} << count) - 1); left; left &= left - 1)
    symbols[kept++] = at[static_cast<size_t>(std::countr_zero(left))];
  return kept;
}

size_t BpeModel::merge_long(int32_t* symbols, size_t count) const {
  thread_local LongMerge merge;
  return merge.run(table_, symbols, count);
}

}  // namespace plumb::data
