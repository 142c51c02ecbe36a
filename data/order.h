// The order of rows within an epoch: a keyed permutation, computed for any index on its own.
#pragma once

#include <cstdint>
#include <string>

namespace plumb::data {

// A bijection of [0, size): a Feistel network on the smallest power of two that holds it, walked along its cycle until
// it falls inside (Black and Rogaway, CT-RSA 2002). Less than two walks on average.
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t key);
  uint64_t operator()(uint64_t index) const;
  uint64_t inverse(uint64_t value) const;  // the index that gives it

 private:
  uint64_t once(uint64_t value) const;
  uint64_t back(uint64_t value) const;
  uint64_t size_, key_;
  int left_bits_ = 0, right_bits_ = 0;
};

// Of one epoch of one dataset.
uint64_t order_key(uint64_t seed, uint64_t epoch, const std::string& digest);

}  // namespace plumb::data
