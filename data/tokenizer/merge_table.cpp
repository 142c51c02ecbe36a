#include "data/tokenizer/merge_table.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "core/error.h"

namespace plumb::data {

MergeTable::MergeTable(const std::vector<BpeMerge>& merges, size_t ids) {
  if (!fits(ids, merges.size())) fail_internal("MergeTable: more tokens or merges than it was made for");
  id_bits_ = std::bit_width(ids + 1);  // ids, nobody, and one pattern that stands for an empty slot
  rank_bits_ = 64 - 2 * id_bits_;
  rank_mask_ = (uint64_t{1} << rank_bits_) - 1;
  nobody_ = static_cast<int32_t>(ids);
  filter_.assign(std::max<size_t>(std::bit_ceil(merges.size() * 10 / 64), 16), 0);
  filter_mask_ = filter_.size() - 1;
  std::vector<uint64_t> entries;
  results_.reserve(merges.size());
  for (const BpeMerge& merge : merges) {
    if (!merge.same_rank || results_.empty()) results_.push_back(merge.result);
    entries.push_back(pair_of(merge.left, merge.right) << rank_bits_ | (results_.size() - 1));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [this](uint64_t a, uint64_t b) { return a >> rank_bits_ < b >> rank_bits_; });
  const auto same = [this](uint64_t a, uint64_t b) { return a >> rank_bits_ == b >> rank_bits_; };
  entries.erase(entries.begin(), std::unique(entries.rbegin(), entries.rend(), same).base());  // keeps the last
  for (const uint64_t entry : entries) {
    const uint64_t hash = hash_of(entry >> rank_bits_);
    filter_[filter_word(hash)] |= filter_bits(hash);
  }
  for (size_t slots = std::bit_ceil(std::max<size_t>(entries.size() * 2, 16));; slots *= 2) {
    slots_.assign(slots, kEmpty);
    slot_mask_ = slots - 1;
    seeds_.assign(std::max<size_t>(std::bit_ceil(entries.size() / 4), 16), 0);
    seed_mask_ = seeds_.size() - 1;
    if (place(entries)) return;
  }
}

// Groups of pairs share a seed; the largest groups choose first, while most slots are free.
bool MergeTable::place(const std::vector<uint64_t>& entries) {
  std::vector<std::vector<uint64_t>> groups(seeds_.size());
  for (const uint64_t entry : entries) groups[hash_of(entry >> rank_bits_) & seed_mask_].push_back(entry);
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return groups[a].size() > groups[b].size(); });
  for (const size_t group : order) {
    bool placed = groups[group].empty();
    for (unsigned seed = 0; seed < 256 && !placed; ++seed) {
      std::vector<size_t> taken;
      for (const uint64_t entry : groups[group]) {
        const size_t at = slot_of(hash_of(entry >> rank_bits_), static_cast<uint8_t>(seed));
        if (slots_[at] != kEmpty) break;
        slots_[at] = entry;
        taken.push_back(at);
      }
      placed = taken.size() == groups[group].size();
      if (placed) seeds_[group] = static_cast<uint8_t>(seed);
      if (!placed)
        for (const size_t at : taken) slots_[at] = kEmpty;
    }
    if (!placed) return false;
  }
  return true;
}

}  // namespace plumb::data
