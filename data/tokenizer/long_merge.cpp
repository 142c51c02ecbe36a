#include "data/tokenizer/long_merge.h"

#include <algorithm>
#include <functional>

namespace plumb::data {

namespace {

constexpr size_t kCuts = 4;  // that are tried before longer stretches are

}  // namespace

void LongMerge::renew(uint32_t at) {
  const uint32_t right = after_[at];
  ranks_[at] = right == kNobody ? MergeTable::kNone : table_->rank(token_[at], token_[right]);
  if (ranks_[at] == MergeTable::kNone) return;
  heap_.push_back(static_cast<uint64_t>(ranks_[at]) << 32 | at);
}

// The lowest rank first, the leftmost of equal ones.
void LongMerge::merge_all() {
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const uint64_t top = heap_.back();
    heap_.pop_back();
    ++steps_;
    const auto at = static_cast<uint32_t>(top), rank = static_cast<uint32_t>(top >> 32);
    if (ranks_[at] != rank) continue;  // the pair is no more, or is another one
    const uint32_t right = after_[at];
    token_[at] = table_->result(rank);
    ranks_[right] = MergeTable::kNone;
    after_[at] = after_[right];
    if (after_[at] != kNobody) before_[after_[at]] = at;
    for (const uint32_t changed : {before_[at], at}) {
      if (changed == kNobody) continue;
      const size_t size = heap_.size();
      renew(changed);
      if (heap_.size() > size) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }
  }
}

void LongMerge::encode(const int32_t* symbols, size_t begin, size_t end, Stretch& result) {
  const auto count = static_cast<uint32_t>(end - begin);
  steps_ += count;
  token_.assign(symbols + begin, symbols + end);
  before_.resize(count);
  after_.resize(count);
  ranks_.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    before_[i] = i - 1;  // kNobody before the first
    after_[i] = i + 1 < count ? i + 1 : kNobody;
  }
  heap_.clear();
  for (uint32_t i = 0; i < count; ++i) renew(i);
  merge_all();
  result.begin = begin;
  result.clear();
  for (uint32_t i = 0; i != kNobody; i = after_[i]) {
    result.tokens.push_back(token_[i]);
    result.starts.push_back(i);
  }
  result.starts.push_back(count);
}

// Whether what is before the cut and what is behind it, each encoded by itself, are also the encoding of both together.
// They are where the two tokens that meet at the cut are the encoding of their symbols: a merge over the cut would have
// to come before one that builds the left or the right token, and inside these two tokens merges take the same order
// whatever stands around them.
bool LongMerge::may_meet(const int32_t* symbols, const Stretch& before, size_t cut, const Stretch& behind) {
  const size_t begin = before.begin + before.starts[cut - 1], middle = behind.begin, end = middle + behind.starts[1];
  encode(symbols, begin, end, pair_);
  return pair_.tokens.size() == 2 && pair_.starts[1] == middle - begin;
}

bool LongMerge::encode_in_stretches(const int32_t* symbols, size_t count, size_t size) {
  Stretch now, next;
  tokens_.clear();
  encode(symbols, 0, std::min(size, count), now);
  while (now.end() < count) {
    // A stretch's last tokens might be others if it went on, so the next one begins before them.
    size_t cut = now.tokens.size();
    while (cut > 1 && now.starts[cut] + margin_ > now.starts.back()) --cut;
    bool met = false;
    for (size_t tried = 0; !met && tried < kCuts && tried < cut; ++tried) {
      const size_t begin = now.begin + now.starts[cut - tried];
      encode(symbols, begin, std::min(begin + size, count), next);
      met = may_meet(symbols, now, cut - tried, next);
      if (met) tokens_.insert(tokens_.end(), now.tokens.data(), now.tokens.data() + cut - tried);
    }
    if (!met) return false;
    std::swap(now, next);
  }
  tokens_.insert(tokens_.end(), now.tokens.begin(), now.tokens.end());
  return true;
}

size_t LongMerge::run(const MergeTable& table, int32_t* symbols, size_t count) {
  table_ = &table;
  for (size_t size = stretch_; !encode_in_stretches(symbols, count, size);) size *= 4;
  const size_t told = tokens_.size();
  std::copy(tokens_.begin(), tokens_.end(), symbols);
  constexpr size_t kKept = size_t{1} << 18;  // of a thread's memory for the next piece
  if (tokens_.capacity() > kKept) tokens_ = {};
  return told;
}

}  // namespace plumb::data
