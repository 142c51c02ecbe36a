#include "data/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>
#include <queue>

#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {
constexpr size_t kShort = 64;  // up to here a linear search for the best pair beats a heap
}

BpeModel::BpeModel(std::vector<std::string> vocabulary, const std::vector<Merge>& merges)
    : tokens_(std::move(vocabulary)) {
  ids_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id)
    if (!tokens_[id].empty()) ids_.emplace(tokens_[id], static_cast<int32_t>(id));
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string character;
    append_utf8(byte_level_alphabet()[byte], character);
    byte_ids_[byte] = id(character);
  }
  slots_.assign(std::bit_ceil(std::max<size_t>(merges.size() * 2, 16)), Slot{~uint64_t{0}, kNoRank});
  mask_ = slots_.size() - 1;
  results_.reserve(merges.size());
  for (const Merge& merge : merges) {
    const uint64_t pair =
        static_cast<uint64_t>(static_cast<uint32_t>(merge.left)) << 32 | static_cast<uint32_t>(merge.right);
    size_t at = hash(pair) & mask_;
    while (slots_[at].rank != kNoRank && slots_[at].pair != pair) at = (at + 1) & mask_;
    slots_[at] = {pair, static_cast<uint32_t>(results_.size())};  // of two equal merges the later rank counts
    results_.push_back(merge.result);
  }
}

void BpeModel::use_whole_pieces() {
  ignore_merges = true;
  whole_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].empty()) continue;
    if (auto bytes = from_byte_level(tokens_[id])) whole_.emplace(std::move(*bytes), static_cast<int32_t>(id));
  }
}

int32_t BpeModel::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

void BpeModel::first_symbols(std::string_view piece, std::vector<int32_t>& symbols) const {
  bool after_unknown = false;
  for (const char c : piece) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (unknown >= 0 && !(after_unknown && fuse_unknown)) {
      symbols.push_back(unknown);
    }
    after_unknown = id < 0;
  }
}

// Repeatedly joins the leftmost pair of the lowest rank; ranks[i] belongs to symbols i and i + 1.
size_t BpeModel::merge_short(int32_t* symbols, size_t count) const {
  std::array<uint32_t, kShort> ranks;
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = rank(symbols[i], symbols[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoRank) break;
    symbols[best] = results_[ranks[best]];
    std::copy(symbols + best + 2, symbols + count, symbols + best + 1);
    if (best + 2 < count) std::copy(ranks.begin() + best + 2, ranks.begin() + count - 1, ranks.begin() + best + 1);
    --count;
    if (best + 1 < count) ranks[best] = rank(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = rank(symbols[best - 1], symbols[best]);
  }
  return count;
}

// The same in O(n log n): symbols are a linked list, candidate pairs wait in a heap and are skipped when outdated.
void BpeModel::merge_long(std::vector<int32_t>& symbols) const {
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
  const auto count = static_cast<int32_t>(symbols.size());
  std::vector<Node> nodes(symbols.size());
  for (int32_t i = 0; i < count; ++i)
    nodes[static_cast<size_t>(i)] = {symbols[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
  std::vector<Candidate> initial;
  const auto candidate = [&](int32_t at, auto&& use) {
    if (at < 0 || nodes[static_cast<size_t>(at)].after < 0) return;
    const int32_t left = nodes[static_cast<size_t>(at)].symbol;
    const int32_t right = nodes[static_cast<size_t>(nodes[static_cast<size_t>(at)].after)].symbol;
    if (const uint32_t found = rank(left, right); found != kNoRank) use(Candidate{found, at, left, right});
  };
  for (int32_t i = 0; i < count; ++i) candidate(i, [&](Candidate c) { initial.push_back(c); });
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap(std::greater<>{}, std::move(initial));
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    Node& node = nodes[static_cast<size_t>(top.at)];
    if (node.symbol != top.left || node.after < 0) continue;
    Node& right = nodes[static_cast<size_t>(node.after)];
    if (right.symbol != top.right) continue;
    node.symbol = results_[top.rank];
    right.symbol = -1;
    node.after = right.after;
    if (node.after >= 0) nodes[static_cast<size_t>(node.after)].before = top.at;
    candidate(node.before, [&](Candidate c) { heap.push(c); });
    candidate(top.at, [&](Candidate c) { heap.push(c); });
  }
  symbols.clear();
  for (const Node& node : nodes)
    if (node.symbol >= 0) symbols.push_back(node.symbol);
}

void BpeModel::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  if (ignore_merges) {
    if (const auto found = whole_.find(std::string(piece)); found != whole_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  if (piece.size() <= kShort) {
    const size_t before = ids.size();
    first_symbols(piece, ids);
    ids.resize(before + merge_short(ids.data() + before, ids.size() - before));
    return;
  }
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  first_symbols(piece, symbols);
  merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace plumb::data
