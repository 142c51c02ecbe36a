#include "data/tokenizer/merge_table.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace plumb::data {

MergeTable::MergeTable(const std::vector<BpeMerge>& merges, size_t ids) {
  if (!fits(ids, merges.size())) fail_internal("MergeTable: more tokens or merges than it was made for");
  id_bits_ = std::bit_width(ids + 1);  // ids, nobody, and one pattern that stands for an empty slot
  rank_bits_ = 64 - 2 * id_bits_;
  rank_mask_ = (uint64_t{1} << rank_bits_) - 1;
  nobody_ = static_cast<int32_t>(ids);
  const size_t slots = std::bit_ceil(std::max<size_t>(merges.size() * 2, 16));
  mask_ = slots - 1;
  shift_ = 64 - std::countr_zero(slots);
  slots_.assign(slots, kEmpty);
  filter_.assign(std::max<size_t>(std::bit_ceil(merges.size() * 10 / 64), 16), 0);
  filter_mask_ = filter_.size() - 1;
  results_.reserve(merges.size());
  for (const BpeMerge& merge : merges) {
    const uint64_t pair =
        static_cast<uint64_t>(static_cast<uint32_t>(merge.left)) << id_bits_ | static_cast<uint32_t>(merge.right);
    const uint64_t hash = hash_of(pair);
    filter_[filter_word(hash)] |= filter_bits(hash);
    size_t at = slot_of(hash);
    while (slots_[at] != kEmpty && slots_[at] >> rank_bits_ != pair) at = (at + 1) & mask_;
    if (!merge.same_rank || results_.empty()) results_.push_back(merge.result);
    slots_[at] = pair << rank_bits_ | (results_.size() - 1);
  }
}

}  // namespace plumb::data
