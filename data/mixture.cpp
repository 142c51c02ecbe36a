// Why the rows between two knots always fit.
//
// Row j of part i with share r may stand at slots (floor((j-1)/r), ceil(j/r)]: that is the quota. Given counts x(a) and
// x(b) at two knots, the rows between them fill the slots between them one to one iff no interval of slots has more
// rows that must stand in it than slots (Hall; earliest deadline first then finds the filling). Inside (s, e] with a <
// s < e < b there are at most sum floor(e r) - ceil(s r) <= e - s of them. The intervals that begin at a or end at b
// are left: sum over i of max(0, floor(e r_i) - x_i(a)) <= e - a, and sum of max(0, x_i(b) - ceil(s r_i)) <= b - s.
//
// Q = the parts whose next row after floor(a r_i) falls due by e. If their counts reach floor(sum over Q of a r_i), the
// first sum is at most floor(e r_Q) - floor(a r_Q) <= e - a. Likewise the second holds if the counts of R = the parts
// whose row ceil(b r_i) became possible after s stay within ceil(sum over R of b r_i). The Q are nested, and so are the
// R: two chains, whose matrix is totally unimodular, and t r itself satisfies all of them; so an integer x(t) exists
// that floors or ceils every t r_i. It is found greedily: whenever the sum over the parts in order of deadline passes
// an integer, one of them gets its row early: the one that has been possible for longest. This picks the greedy basis
// of a nested matroid, which in every R has as few members as any other choice.
#include "data/mixture.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <mutex>
#include <numeric>
#include <queue>

#include "core/error.h"

namespace plumb::data {

namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr size_t kMostParts = 128;
constexpr uint64_t kLeastBlock = 256, kRarest = 1'000'000;
constexpr size_t kBlocksKept = 4;

uint64_t floor_of(uint64_t times, uint64_t numerator, uint64_t denominator) {
  return static_cast<uint64_t>(Wide{times} * numerator / denominator);
}
uint64_t ceil_of(uint64_t times, uint64_t numerator, uint64_t denominator) {
  return static_cast<uint64_t>((Wide{times} * numerator + denominator - 1) / denominator);
}

// The slots of one part's rows, one after the other, without dividing.
class Windows {
 public:
  Windows(uint64_t numerator, uint64_t denominator, uint64_t done)
      : numerator_(numerator), quotient_(denominator / numerator), remainder_(denominator % numerator) {
    const Wide end = Wide{done} * denominator;
    end_ = static_cast<uint64_t>(end / numerator), rest_ = static_cast<uint64_t>(end % numerator);
    next();
  }
  uint64_t release() const { return release_; }             // the first slot, counted from 1
  uint64_t deadline() const { return end_ + (rest_ > 0); }  // the last one
  void next() {
    release_ = end_ + 1;
    end_ += quotient_, rest_ += remainder_;
    if (rest_ >= numerator_) rest_ -= numerator_, ++end_;
  }

 private:
  uint64_t numerator_, quotient_, remainder_;
  uint64_t release_ = 0, end_ = 0, rest_ = 0;  // end_ + rest_ / numerator_ = row number / share
};

}  // namespace

Shares Shares::of(std::span<const double> weights, double replay, const std::string& where) {
  double sum = 0;
  for (const double weight : weights) {
    if (!(weight >= 0) || !std::isfinite(weight)) fail_input(where, "expected weights of at least 0");
    sum += weight;
  }
  if (!(sum > 0) || !std::isfinite(sum)) fail_input(where, "expected at least one weight above 0");
  if (!(replay >= 0 && replay < 1)) {
    fail_input("data.replay.share",
               "expected a share from 0 to below 100%, found " + std::to_string(replay * 100) + "%");
  }
  if (weights.size() + (replay > 0) > kMostParts) {
    fail_input(where, "expected at most " + std::to_string(kMostParts) + " parts, found " +
                          std::to_string(weights.size() + (replay > 0)));
  }
  double scale = 1e9;
  while (sum * scale > 4e9) scale /= 10;
  std::vector<uint64_t> whole;
  uint64_t total = 0, common = 0;
  for (const double weight : weights) {
    whole.push_back(static_cast<uint64_t>(std::llround(weight * scale)));
    if (weight > 0 && whole.back() == 0) whole.back() = 1;  // the check of the rarest part below speaks about it
    total += whole.back(), common = std::gcd(common, whole.back());
  }
  for (auto& weight : whole) weight /= common;
  total /= common;
  const auto billionths = static_cast<uint64_t>(std::llround(replay * 1e9));
  Shares shares;
  const uint64_t rest = std::gcd(billionths, uint64_t{1'000'000'000});
  for (const uint64_t weight : whole) shares.numerators.push_back(weight * ((1'000'000'000 - billionths) / rest));
  if (replay > 0) shares.numerators.push_back(total * (billionths / rest));
  common = 0;
  for (const uint64_t part : shares.numerators) common = std::gcd(common, part);
  shares.denominator = 0;
  for (auto& part : shares.numerators) part /= common, shares.denominator += part;
  const auto active = std::count_if(shares.numerators.begin(), shares.numerators.end(), [](auto p) { return p > 0; });
  for (size_t i = 0; i < shares.numerators.size(); ++i) {
    const uint64_t part = shares.numerators[i];
    if (active < 3 || part == 0 || shares.denominator / part <= kRarest) continue;
    fail_input(where,
               "expected a share of at least one row in a million for every part, found " +
                   std::to_string(static_cast<double>(part) / static_cast<double>(shares.denominator)) +
                   " for number " + std::to_string(i + 1),
               "leave it out with weight 0, or put it under one path with another source");
  }
  return shares;
}

struct Mixture::Block {
  std::vector<uint64_t> first;    // rows of each part before the block
  std::vector<uint8_t> part;      // of each row
  std::vector<uint32_t> index;    // of each row among its part's in the block
  std::vector<uint32_t> begin;    // of each part in `offsets`
  std::vector<uint32_t> offsets;  // rows of the block, part by part
};

struct Mixture::Cache {
  std::mutex mutex;
  std::deque<std::pair<uint64_t, std::shared_ptr<const Block>>> blocks;  // the newest last
  std::vector<uint32_t> active;                                          // parts whose share is not 0
};

Mixture::Mixture(Shares shares) : shares_(std::move(shares)), cache_(new Cache) {
  uint64_t rarest = shares_.denominator;
  for (uint32_t i = 0; i < shares_.numerators.size(); ++i) {
    if (shares_.numerators[i] == 0) continue;
    cache_->active.push_back(i);
    rarest = std::min(rarest, shares_.numerators[i]);
  }
  if (cache_->active.empty()) fail_internal("a mix of nothing");
  block_ = std::max(kLeastBlock, std::bit_ceil(ceil_of(1, shares_.denominator, rarest)));
}

Mixture::~Mixture() = default;
Mixture::Mixture(Mixture&&) noexcept = default;

std::vector<uint64_t> Mixture::knot(uint64_t position) const {
  struct Open {  // a part between two whole rows
    uint64_t deadline, release;
    uint32_t part;
    uint64_t fraction;
  };
  std::vector<uint64_t> counts(shares_.numerators.size());
  std::vector<Open> open;
  for (const uint32_t part : cache_->active) {
    const uint64_t share = shares_.numerators[part];
    const Wide exact = Wide{position} * share;
    counts[part] = static_cast<uint64_t>(exact / shares_.denominator);
    const auto fraction = static_cast<uint64_t>(exact % shares_.denominator);
    if (fraction == 0) continue;
    const Windows next(share, shares_.denominator, counts[part]);
    open.push_back({next.deadline(), next.release(), part, fraction});
  }
  std::sort(open.begin(), open.end(),
            [](const Open& a, const Open& b) { return std::pair(a.deadline, a.part) < std::pair(b.deadline, b.part); });
  using Candidate = std::pair<uint64_t, uint32_t>;  // release, part
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  uint64_t sum = 0;
  for (const auto& one : open) {
    candidates.push({one.release, one.part});
    sum += one.fraction;
    if (sum < shares_.denominator) continue;
    sum -= shares_.denominator;
    ++counts[candidates.top().second];
    candidates.pop();
  }
  if (sum != 0) fail_internal("a knot of the mix whose rows do not add up");
  return counts;
}

std::shared_ptr<const Mixture::Block> Mixture::decode(uint64_t number) const {
  auto block = std::make_shared<Block>();
  const uint64_t begin = number * block_, end = begin + block_;
  block->first = knot(begin);
  const auto after = knot(end);
  std::vector<Windows> windows;
  std::vector<uint64_t> left(after.size());
  using Due = std::pair<uint64_t, uint32_t>;
  using Queue = std::priority_queue<Due, std::vector<Due>, std::greater<>>;
  Queue waiting, ready;  // by release, by deadline; the number is the place in `active`
  const auto& active = cache_->active;
  for (uint32_t i = 0; i < active.size(); ++i) {
    windows.emplace_back(shares_.numerators[active[i]], shares_.denominator, block->first[active[i]]);
    left[i] = after[active[i]] - block->first[active[i]];
    if (left[i] > 0) waiting.push({windows[i].release(), i});
  }
  std::vector<uint32_t> taken(after.size());
  block->part.reserve(block_), block->index.reserve(block_);
  for (uint64_t slot = begin + 1; slot <= end; ++slot) {
    for (; !waiting.empty() && waiting.top().first <= slot; waiting.pop()) {
      const uint32_t i = waiting.top().second;
      ready.push({std::min(windows[i].deadline(), end), i});
    }
    if (ready.empty() || ready.top().first < slot) fail_internal("rows of the mix that do not fit between two knots");
    const uint32_t i = ready.top().second, part = active[i];
    ready.pop();
    block->part.push_back(static_cast<uint8_t>(part)), block->index.push_back(taken[part]++);
    windows[i].next();
    if (--left[i] > 0) waiting.push({windows[i].release(), i});
  }
  block->begin.assign(1, 0);
  for (const uint32_t count : taken) block->begin.push_back(block->begin.back() + count);
  block->offsets.resize(block_);
  for (uint32_t i = 0; i < block_; ++i) block->offsets[block->begin[block->part[i]] + block->index[i]] = i;
  return block;
}

std::shared_ptr<const Mixture::Block> Mixture::block_at(uint64_t number) const {
  {
    const std::lock_guard lock(cache_->mutex);
    for (const auto& [known, block] : cache_->blocks) {
      if (known == number) return block;
    }
  }
  auto block = decode(number);
  const std::lock_guard lock(cache_->mutex);
  if (cache_->blocks.size() == kBlocksKept) cache_->blocks.pop_front();
  cache_->blocks.emplace_back(number, block);
  return block;
}

// Of two parts the later one gets floor(t share) rows, and the other the rest, ceil(t share).
Mixture::Place Mixture::at(uint64_t position) const {
  const auto& active = cache_->active;
  if (active.size() == 1) return {active[0], position};
  if (active.size() == 2) {
    const uint64_t share = shares_.numerators[active[1]];
    const uint64_t before = floor_of(position, share, shares_.denominator);
    if (floor_of(position + 1, share, shares_.denominator) > before) return {active[1], before};
    return {active[0], position - before};
  }
  const auto block = block_at(position / block_);
  const uint64_t offset = position % block_;
  const uint32_t part = block->part[offset];
  return {part, block->first[part] + block->index[offset]};
}

uint64_t Mixture::position(uint32_t part, uint64_t index) const {
  const auto& active = cache_->active;
  const uint64_t share = shares_.numerators[part];
  if (share == 0) fail_internal("the position of a part that is not in the mix");
  if (active.size() == 1) return index;
  if (active.size() == 2) {
    return part == active[1] ? ceil_of(index + 1, shares_.denominator, share) - 1
                             : floor_of(index, shares_.denominator, share);
  }
  const Windows window(share, shares_.denominator, index);
  for (uint64_t number = (window.release() - 1) / block_; number <= (window.deadline() - 1) / block_; ++number) {
    const auto block = block_at(number);
    const uint64_t count = block->begin[part + 1] - block->begin[part];
    if (index < block->first[part] || index >= block->first[part] + count) continue;
    return number * block_ + block->offsets[block->begin[part] + (index - block->first[part])];
  }
  fail_internal("a row of the mix outside its window");
}

std::vector<uint64_t> Mixture::counts(uint64_t positions) const {
  const auto& active = cache_->active;
  std::vector<uint64_t> counts(shares_.numerators.size());
  if (active.size() == 1) return counts[active[0]] = positions, counts;
  if (active.size() == 2) {
    counts[active[1]] = floor_of(positions, shares_.numerators[active[1]], shares_.denominator);
    counts[active[0]] = positions - counts[active[1]];
    return counts;
  }
  const auto offset = static_cast<uint32_t>(positions % block_);
  if (offset == 0) return knot(positions);
  const auto block = block_at(positions / block_);
  for (const uint32_t part : active) {
    const auto begin = block->offsets.begin() + block->begin[part],
               end = block->offsets.begin() + block->begin[part + 1];
    counts[part] = block->first[part] + static_cast<uint64_t>(std::lower_bound(begin, end, offset) - begin);
  }
  return counts;
}

}  // namespace plumb::data
