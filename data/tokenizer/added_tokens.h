// Tokens that are found in text before anything else: special tokens, chat markup, runs of spaces.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumb::data {

struct AddedToken {  // fields of tokenizer.json
  int32_t id = 0;
  std::string content;
  bool special = false, single_word = false, lstrip = false, rstrip = false, normalized = false;
};

// Leftmost-longest search for a set of added tokens.
class AddedTokenMatcher {
 public:
  void add(const AddedToken& token, std::string_view text);  // `text`: content, normalised where the token is

  struct Piece {
    int32_t id;  // -1: text between tokens
    std::string_view text;
  };
  // Appends the pieces of `text`. With `specials_as_text` special tokens are matched and counted, but stay text.
  void split(std::string_view text, bool specials_as_text, std::vector<Piece>& pieces, int64_t* special_texts) const;
  bool empty() const { return tokens_.empty(); }

 private:
  struct Node {
    std::vector<std::pair<unsigned char, int32_t>> children;
    int32_t token = -1;
  };
  struct Match {
    size_t begin, end;
    const AddedToken* token;
  };
  bool find(std::string_view text, size_t from, Match& match) const;
  size_t candidate(std::string_view text, size_t from) const;
  int32_t child(int32_t node, unsigned char byte) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<uint8_t, 256> first_{};  // 0: no token starts so, 1: see pairs_, 2: one byte is enough
  static constexpr size_t kFewPairs = 6;
  struct Start {  // the two first bytes of a token, sixteen times
    std::array<char, 16> first, second;
  };
  std::vector<Start> starts_;                                        // each once
  bool single_bytes_ = false;                                        // a token of one byte exists
  std::vector<uint8_t> pairs_ = std::vector<uint8_t>(65536 / 8, 0);  // two first bytes of any token
};

}  // namespace plumb::data
