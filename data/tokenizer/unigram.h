// Unigram: the most likely way to write a piece with tokens, by Viterbi.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumb::data {

// Tokens by their bytes, from the first to the last.
class TokenTrie {
 public:
  TokenTrie();
  void reserve(size_t nodes);
  void add(std::string_view text, int32_t value);  // of two equal texts the later one counts

  static constexpr uint32_t kRoot = 1;
  // 0: no token goes on so.
  uint32_t child(uint32_t node, unsigned char byte) const {
    const uint64_t key = static_cast<uint64_t>(node) << 8 | byte;
    for (size_t at = slot(key);; at = (at + 1) & mask_) {
      if (keys_[at] == key) return children_[at];
      if (keys_[at] == 0) return 0;
    }
  }
  int32_t value(uint32_t node) const { return values_[node]; }  // -1: no token ends here

 private:
  size_t slot(uint64_t key) const { return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 20) & mask_; }
  void grow(size_t slots);
  std::vector<uint64_t> keys_;  // node and byte; 0: free
  std::vector<uint32_t> children_;
  std::vector<int32_t> values_;
  size_t mask_ = 0, used_ = 0;
};

}  // namespace plumb::data
