// Rank and result of the merge of two tokens: what BPE asks for most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace plumb::data {

struct BpeMerge {
  int32_t left, right, result;
  bool same_rank = false;  // as the merge before it, which has the same result: of the two the leftmost is joined first
};

class MergeTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  // Ranks must fit a key beside a position; more merges or larger ids are refused by the caller (`fits`).
  static constexpr size_t kMostMerges = size_t{1} << 22, kMostIds = (size_t{1} << 21) - 1;
  static bool fits(size_t ids, size_t merges) { return ids < kMostIds && merges < kMostMerges; }

  // Of two equal pairs the later one counts, as in `tokenizers`.
  MergeTable(const std::vector<BpeMerge>& merges, size_t ids);

  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(left)) << id_bits_ | static_cast<uint32_t>(right);
    const uint64_t hash = hash_of(pair);
    const uint64_t bits = filter_bits(hash);
    if ((filter_[filter_word(hash)] & bits) != bits) return kNone;
    for (size_t at = slot_of(hash);; at = (at + 1) & mask_) {
      const uint64_t slot = slots_[at];
      if (slot >> rank_bits_ == pair) return static_cast<uint32_t>(slot & rank_mask_);
      if (slot == kEmpty) return kNone;
    }
  }
  int32_t result(uint32_t rank) const { return results_[rank]; }
  size_t size() const { return results_.size(); }
  // An id no token has: a pair with it has no rank.
  int32_t nobody() const { return nobody_; }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static uint64_t hash_of(uint64_t pair) {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
    return mixed ^ mixed >> 31;
  }
  size_t slot_of(uint64_t hash) const { return static_cast<size_t>(hash >> shift_); }
  size_t filter_word(uint64_t hash) const { return hash >> 16 & filter_mask_; }
  static uint64_t filter_bits(uint64_t hash) { return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63); }

  // Most pairs have no rank. The filter, small enough for the nearest caches, knows nearly all of those.
  std::vector<uint64_t> filter_;
  std::vector<uint64_t> slots_;   // pair and rank in one word; at most half are taken
  std::vector<int32_t> results_;  // by rank
  uint64_t rank_mask_ = 0;
  size_t mask_ = 0, filter_mask_ = 0;
  int id_bits_ = 0, rank_bits_ = 0, shift_ = 0;
  int32_t nobody_ = 0;
};

}  // namespace plumb::data
