// BPE: a vocabulary and the merges that build its tokens from bytes (byte-level) or from characters (SentencePiece).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/tokenizer/merge_table.h"

namespace plumb::data {

class BpeModel {
 public:
  // vocabulary[id]: token text as the file writes it ("" = no such id). merges: in rank order.
  using Merge = BpeMerge;
  BpeModel(std::vector<std::string> vocabulary, const std::vector<Merge>& merges);

  // Pieces are UTF-8 and their characters the first symbols. Without this: pieces are bytes, which the vocabulary
  // writes in the byte-level alphabet. `prefix` stands before each character but the first of a piece
  // (continuing_subword_prefix), `suffix` behind the last (end_of_word_suffix). Set `unknown` before.
  void use_characters(bool byte_fallback, const std::string& prefix = "", const std::string& suffix = "");
  // In pieces a space stands for U+2581, so that text need not be rewritten for the model. After use_characters; false
  // where this cannot be (no such token, affixes, whole pieces).
  bool use_spaces_as_metaspace();
  // A piece that is a token as a whole is that token (ignore_merges).
  void use_whole_pieces();

  // Ids of one piece; no white-space or special-token logic here.
  void encode(std::string_view piece, std::vector<int32_t>& ids) const;
  // The same for a piece of at most kShort bytes and a model without affixes; `ids` has room for kShort. Returns how
  // many.
  static constexpr size_t kShort = 60;
  size_t encode_short(std::string_view piece, int32_t* ids) const;
  // The same for many.
  struct Piece {
    const char* begin;
    uint32_t size;
    uint32_t count = 0;  // of ids, when done
    int32_t* ids = nullptr;
  };
  void encode_many(Piece* pieces, size_t count) const;

  // End of the first part of [begin, end) that can be encoded by itself: no merge reaches over the cut, and encoding
  // the parts gives what encoding the whole gives. `end` where nothing is known.
  const char* first_part(const char* begin, const char* end) const;
  bool has_parts() const { return cuts_ != nullptr; }

  int32_t id(std::string_view token) const;  // -1: not in the vocabulary
  const std::vector<std::string>& tokens() const { return tokens_; }
  size_t entries() const { return ids_.size(); }
  bool has_merges() const { return table_.size() > 0; }
  bool has_whole_pieces() const { return whole_pieces_; }
  int32_t byte_id(unsigned char byte) const { return byte_ids_[byte]; }  // byte-level; -1: none

  int32_t unknown = -1;  // id for a byte or character without a token; -1: it vanishes
  bool fuse_unknown = false;

 private:
  struct Characters;
  struct Cuts;
  class SymbolReader;
  class Lanes;
  static bool lanes_possible();
  size_t bytes_of(std::string_view piece, int32_t* symbols) const;
  size_t characters_of(std::string_view piece, int32_t* symbols) const;
  size_t first_symbols(std::string_view piece, int32_t* symbols) const {
    return characters_ ? characters_of(piece, symbols) : bytes_of(piece, symbols);
  }
  size_t most_symbols(size_t bytes) const;
  size_t merge_short(int32_t* symbols, size_t count, const unsigned char* bytes) const;
  size_t merge_piece(std::string_view piece, int32_t* symbols, size_t count) const;
  size_t merge_long(int32_t* symbols, size_t count) const;
  void find_cuts();

  std::vector<std::string> tokens_;
  std::vector<Merge> merges_;                          // as given
  std::unordered_map<std::string_view, int32_t> ids_;  // views into tokens_
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> whole_;  // piece -> id, only for ignore_merges
  std::array<int32_t, 256> byte_ids_{};
  bool every_byte_ = true;  // has a token
  MergeTable table_;
  std::vector<uint32_t> byte_pairs_;  // rank of the tokens of two bytes, by left << 8 | right
  bool whole_pieces_ = false;
  bool lanes_ = lanes_possible();
  std::shared_ptr<const Characters> characters_;
  std::shared_ptr<const Cuts> cuts_;
};

}  // namespace plumb::data
