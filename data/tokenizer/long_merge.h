// The merges of one long piece, in time that grows with its length and memory that stays in the processor's caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/tokenizer/merge_table.h"

namespace plumb::data {

class LongMerge {
 public:
  // Symbols that are encoded at once, and how far before their end the next ones begin.
  static constexpr size_t kStretch = 2048, kMargin = 256;
  explicit LongMerge(size_t stretch = kStretch, size_t margin = kMargin) : stretch_(stretch), margin_(margin) {}

  // Replaces the symbols by their tokens; returns how many.
  size_t run(const MergeTable& table, int32_t* symbols, size_t count);

  int64_t steps() const { return steps_; }  // symbols read and candidates taken so far: what the time is made of

 private:
  // The tokens of a stretch of symbols that is encoded by itself.
  struct Stretch {
    size_t begin = 0;  // first symbol
    std::vector<int32_t> tokens;
    std::vector<uint32_t> starts;  // of each token from `begin` on, and at last where the stretch ends
    size_t end() const { return begin + starts.back(); }
    void clear() {
      tokens.clear();
      starts.clear();
    }
  };
  bool encode_in_stretches(const int32_t* symbols, size_t count, size_t size);  // false: they do not meet
  void encode(const int32_t* symbols, size_t begin, size_t end, Stretch& result);
  void merge_all();
  void renew(uint32_t at);
  bool may_meet(const int32_t* symbols, const Stretch& before, size_t cut, const Stretch& behind);

  static constexpr uint32_t kNobody = UINT32_MAX;
  size_t stretch_, margin_;
  const MergeTable* table_ = nullptr;
  // Of the stretch at hand, by place: a token, its neighbours, and the rank of the pair that it is the left half of.
  std::vector<int32_t> token_;
  std::vector<uint32_t> before_, after_, ranks_;
  std::vector<uint64_t> heap_;  // rank << 32 | place; outdated ones are skipped
  Stretch pair_;
  std::vector<int32_t> tokens_;
  int64_t steps_ = 0;
};

}  // namespace plumb::data
