// The order of rows: a keyed permutation and an exact quota, both computed for any index on its own.
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

 private:
  uint64_t once(uint64_t value) const;
  uint64_t size_, key_;
  int left_bits_ = 0, right_bits_ = 0;
};

uint64_t order_key(uint64_t seed, uint64_t epoch, const std::string& digest);

// Position i belongs to the minor part iff floor((i + 1) * share) > floor(i * share). The share is read as a decimal
// fraction with nine digits, so that 10 % is exactly one in ten.
class Quota {
 public:
  explicit Quota(double share);
  uint64_t minor_before(uint64_t position) const;  // floor(position * share)
  bool is_minor(uint64_t position) const { return minor_before(position + 1) > minor_before(position); }
  double share() const;

 private:
  uint64_t billionths_;
};

}  // namespace plumb::data
