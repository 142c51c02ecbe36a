// Byte-level BPE: a vocabulary of byte strings and the merges that build them from single bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plumb::data {

class BpeModel {
 public:
  // vocabulary[id]: token text in the byte-level alphabet ("" = no such id). merges: (left, right, result) in rank
  // order.
  struct Merge {
    int32_t left, right, result;
  };
  BpeModel(std::vector<std::string> vocabulary, const std::vector<Merge>& merges);

  // Ids of one piece; no white-space or special-token logic here.
  void encode(std::string_view piece, std::vector<int32_t>& ids) const;

  int32_t id(std::string_view token) const;  // -1: not in the vocabulary
  const std::vector<std::string>& tokens() const { return tokens_; }
  size_t entries() const { return ids_.size(); }
  bool has_merges() const { return !results_.empty(); }
  int32_t byte_id(unsigned char byte) const { return byte_ids_[byte]; }  // -1: none

  bool ignore_merges = false;  // a piece that is in the vocabulary is that token
  int32_t unknown = -1;        // id for a byte without a token; -1: such a byte vanishes
  bool fuse_unknown = false;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  struct Slot {
    uint64_t pair;
    uint32_t rank;
  };
  uint32_t rank(int32_t left, int32_t right) const {
    const uint64_t pair = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    for (size_t at = hash(pair) & mask_;; at = (at + 1) & mask_) {
      if (slots_[at].pair == pair) return slots_[at].rank;
      if (slots_[at].rank == kNoRank) return kNoRank;
    }
  }
  static size_t hash(uint64_t pair) {
    const uint64_t mixed = pair * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed ^ mixed >> 32);
  }
  void first_symbols(std::string_view piece, std::vector<int32_t>& symbols) const;
  size_t merge_short(int32_t* symbols, size_t count) const;
  void merge_long(std::vector<int32_t>& symbols) const;

  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, int32_t> ids_;  // views into tokens_
  std::unordered_map<std::string, int32_t> whole_;     // bytes -> id, only for ignore_merges
  std::array<int32_t, 256> byte_ids_{};
  std::vector<Slot> slots_;  // open addressing, at most half full; an empty slot has no rank
  size_t mask_ = 0;
  std::vector<int32_t> results_;  // by rank

 public:
  void use_whole_pieces();  // fills what ignore_merges needs
};

}  // namespace plumb::data
