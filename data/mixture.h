// Which part of the data the row at a position comes from: an exact quota for 2 to 128 parts, computed for any position
// on its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace plumb::data {

// Shares as exact fractions of one denominator: part p has numerators[p] / denominator of all rows.
struct Shares {
  std::vector<uint64_t> numerators;  // 0: never
  uint64_t denominator = 1;          // their sum, at most 2^62

  // Weights are read as decimals of up to nine digits, so that 0.1, 0.2, 0.7 are exactly 1, 2, 7 tenths. Not negative,
  // at least one above zero. `replay` (a share of all rows, 0 for none) becomes one part more, the last one.
  static Shares of(std::span<const double> weights, double replay, const std::string& where);
};

// The sequence of parts with, for every part i at every prefix t, floor(t share_i) <= count_i(t) <= ceil(t share_i):
// always less than one row from the request.
//
// Two parts need only a rounding. For more, the counts are fixed at knots, every `block` rows: knots are roundings of
// t share under which neither the rows that fall due after the knot nor those that became possible before it are too
// many for their time (mixture.cpp has the proof); between two knots the row with the earliest deadline comes first. So
// a position costs one block, not the whole prefix. A block holds at least one row of the rarest part: shares below one
// in a million are refused.
class Mixture {
 public:
  explicit Mixture(Shares shares);
  ~Mixture();
  Mixture(Mixture&&) noexcept;

  struct Place {
    uint32_t part;
    uint64_t index;  // rows of that part before it
  };
  Place at(uint64_t position) const;                       // thread-safe
  uint64_t position(uint32_t part, uint64_t index) const;  // the inverse; the part's share is not 0
  std::vector<uint64_t> counts(uint64_t positions) const;  // rows of each part among the first `positions`
  const Shares& shares() const { return shares_; }
  uint64_t block() const { return block_; }

 private:
  struct Block;
  struct Cache;
  std::vector<uint64_t> knot(uint64_t position) const;
  std::shared_ptr<const Block> decode(uint64_t number) const;
  std::shared_ptr<const Block> block_at(uint64_t number) const;

  Shares shares_;
  uint64_t block_ = 1;
  std::unique_ptr<Cache> cache_;
};

}  // namespace plumb::data
