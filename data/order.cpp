#include "data/order.h"

#include <bit>

#include "core/error.h"
#include "core/hash.h"
#include "core/philox.h"

namespace plumb::data {

Permutation::Permutation(uint64_t size, uint64_t key) : size_(size), key_(key) {
  const int bits = std::max(2, static_cast<int>(std::bit_width(size > 0 ? size - 1 : 0)));
  left_bits_ = bits / 2, right_bits_ = bits - left_bits_;
}

uint64_t Permutation::once(uint64_t value) const {
  // Unbalanced halves swap sizes every round; six rounds is an even number, so that both return to their place.
  int left_bits = left_bits_, right_bits = right_bits_;
  for (uint64_t round = 0; round < 6; ++round) {
    const uint64_t right = value & ((uint64_t{1} << right_bits) - 1), left = value >> right_bits;
    const auto random = core::philox(key_, right, round);
    const uint64_t mixed = (uint64_t{random.x[0]} << 32 | random.x[1]) & ((uint64_t{1} << left_bits) - 1);
    value = right << left_bits | (left ^ mixed);
    std::swap(left_bits, right_bits);
  }
  return value;
}

// The same rounds backwards.
uint64_t Permutation::back(uint64_t value) const {
  int left_bits = left_bits_, right_bits = right_bits_;
  for (uint64_t round = 6; round-- > 0;) {
    std::swap(left_bits, right_bits);  // the sizes before this round
    const uint64_t right = value >> left_bits, other = value & ((uint64_t{1} << left_bits) - 1);
    const auto random = core::philox(key_, right, round);
    const uint64_t mixed = (uint64_t{random.x[0]} << 32 | random.x[1]) & ((uint64_t{1} << left_bits) - 1);
    value = (other ^ mixed) << right_bits | right;
  }
  return value;
}

uint64_t Permutation::operator()(uint64_t index) const {
  if (index >= size_) fail_internal("an index outside the permutation");
  do index = once(index);
  while (index >= size_);
  return index;
}

uint64_t Permutation::inverse(uint64_t value) const {
  if (value >= size_) fail_internal("a value outside the permutation");
  do value = back(value);
  while (value >= size_);
  return value;
}

uint64_t order_key(uint64_t seed, uint64_t epoch, const std::string& digest) {
  const uint64_t key = core::random_key(seed, core::RandomPurpose::order);
  return core::xxh3(digest + ":" + std::to_string(epoch), key);
}

}  // namespace plumb::data
