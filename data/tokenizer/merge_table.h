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

  // Without branches, because nothing predicts which pairs have a rank.
  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    const uint64_t hash = hash_of(pair);
    const uint64_t bits = filter_bits(hash);
    const bool maybe = (filter_[filter_word(hash)] & bits) == bits;
    const uint64_t slot = slots_[maybe ? slot_of(hash, seeds_[hash & seed_mask_]) : 0];
    return slot >> rank_bits_ == pair ? static_cast<uint32_t>(slot & rank_mask_) : kNone;
  }
  int32_t result(uint32_t rank) const { return results_[rank]; }
  size_t size() const { return results_.size(); }
  // An id no token has: a pair with it has no rank.
  int32_t nobody() const { return nobody_; }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  uint64_t pair_of(int32_t left, int32_t right) const {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << id_bits_ | static_cast<uint32_t>(right);
  }
  // One to one, and all of its bits are used below: two pairs can always be told apart.
  static uint64_t hash_of(uint64_t pair) {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
    return mixed ^ mixed >> 32;
  }
  size_t slot_of(uint64_t hash, uint8_t seed) const {
    return static_cast<size_t>((hash >> 40) + seed * (hash >> 14 | 1)) & slot_mask_;
  }
  size_t filter_word(uint64_t hash) const { return hash >> 22 & filter_mask_; }
  static uint64_t filter_bits(uint64_t hash) { return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63); }
  bool place(const std::vector<uint64_t>& entries);

  // Most pairs have no rank. The filter, small enough for the nearest caches, knows nearly all of those.
  std::vector<uint64_t> filter_;
  std::vector<uint64_t> slots_;  // pair and rank in one word; seeds are chosen so that each pair has a slot of its own
  std::vector<uint8_t> seeds_;
  std::vector<int32_t> results_;  // by rank
  uint64_t rank_mask_ = 0;
  size_t slot_mask_ = 0, seed_mask_ = 0, filter_mask_ = 0;
  int id_bits_ = 0, rank_bits_ = 0;
  int32_t nobody_ = 0;
};

}  // namespace plumb::data
