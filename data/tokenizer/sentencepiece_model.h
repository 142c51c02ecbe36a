// What a SentencePiece .model file says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/charsmap.h"

namespace plumb::data {

struct SentencePieceFile {
  enum class Kind { unigram = 1, bpe = 2, word = 3, character = 4 };
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  Kind kind = Kind::unigram;
  std::vector<Piece> pieces;  // by id
  int32_t unknown = -1;
  bool byte_fallback = false, whitespace_as_suffix = false;
  bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  Charsmap charsmap, denormalizer;
  std::string charsmap_bytes;
  std::string unknown_surface = " \xE2\x81\x87 ";
};

// Error(bad_input) at `where` for damaged files and those that PyPI `sentencepiece` refuses.
SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& where);

}  // namespace plumb::data
