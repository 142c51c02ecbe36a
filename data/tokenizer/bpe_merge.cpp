// The merges of one piece: always the pair of the lowest rank, the leftmost of equal ones, until no pair is left.
#include <algorithm>
#include <array>
#include <bit>
#include <queue>

#include "data/tokenizer/bpe_model.h"

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

// The same in O(n log n): symbols are a linked list, candidate pairs wait in a heap and are skipped when outdated.
size_t BpeModel::merge_long(int32_t* symbols, size_t count) const {
  struct Node {
    int32_t symbol;
    int32_t before, after;  // -1: none; a joined right half has symbol -1
  };
  struct Candidate {
    uint32_t rank;
    int32_t at;
    int32_t left, right;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  std::vector<Node> nodes(count);
  for (size_t i = 0; i < count; ++i) {
    const auto place = static_cast<int32_t>(i);
    nodes[i] = {symbols[i], place - 1, i + 1 < count ? place + 1 : -1};
  }
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t at, auto&& use) {
    if (at < 0 || nodes[static_cast<size_t>(at)].after < 0) return;
    const int32_t left = nodes[static_cast<size_t>(at)].symbol;
    const int32_t right = nodes[static_cast<size_t>(nodes[static_cast<size_t>(at)].after)].symbol;
    const uint32_t rank = table_.rank(left, right);
    if (rank != MergeTable::kNone) use(Candidate{rank, at, left, right});
  };
  for (size_t i = 0; i < count; ++i) candidate(static_cast<int32_t>(i), [&](Candidate c) { initial.push_back(c); });
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap(std::greater<>{}, std::move(initial));
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Node& node = nodes[static_cast<size_t>(top.at)];
    if (node.symbol != top.left || node.after < 0) continue;
    Node& right = nodes[static_cast<size_t>(node.after)];
    if (right.symbol != top.right) continue;
    node.symbol = table_.result(top.rank);
    right.symbol = -1;
    node.after = right.after;
    if (node.after >= 0) nodes[static_cast<size_t>(node.after)].before = top.at;
    candidate(node.before, [&](Candidate c) { heap.push(c); });
    candidate(top.at, [&](Candidate c) { heap.push(c); });
  }
  size_t kept = 0;
  for (const Node& node : nodes)
    if (node.symbol >= 0) symbols[kept++] = node.symbol;
  return kept;
}

}  // namespace plumb::data
