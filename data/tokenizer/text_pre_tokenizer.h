// Pre-tokenizers of a tokenizer.json in their general form: text is cut into pieces, and pieces may be rewritten.
// (Files whose pre-tokenizers only cut the bytes of GPT-2's kind of vocabulary go the faster way of pre_tokenizer.h.)
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/json_place.h"

namespace plumb::data {

struct TextPiece {
  std::string_view text;
  size_t first = 0;  // as NormalText::first
  TextPiece part(size_t begin, size_t end) const {
    return {text.substr(begin, end - begin), begin < first ? std::min(first, end) - begin : 0};
  }
};

// The pieces of one text; rewritten pieces are kept here.
class TextPieces {
 public:
  std::vector<TextPiece> pieces;
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

 private:
  std::deque<std::string> kept_;
};

class TextPreTokenizer {
 public:
  virtual ~TextPreTokenizer() = default;
  // Appends the pieces of `piece` to `out`, `store` keeps rewritten ones. Empty pieces are not appended.
  virtual void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces& store) const = 0;
  void apply(TextPieces& text) const;
};
using TextPreTokenizerPtr = std::unique_ptr<const TextPreTokenizer>;

// Error at the place of an unknown kind or option.
TextPreTokenizerPtr read_text_pre_tokenizer(const JsonPlace& place);

// The kinds of one character and of a pattern; a list is cut by each of them in turn.
using TextPreTokenizers = std::vector<TextPreTokenizerPtr>;
bool read_character_pre_tokenizer(const JsonPlace& place, const std::string& type, TextPreTokenizers& list);
TextPreTokenizerPtr read_metaspace(const JsonPlace& place);

// Before which pieces Metaspace puts its sign; its decoder takes it away again.
enum class PrependScheme { first, never, always };
PrependScheme read_prepend_scheme(const JsonPlace& metaspace);

}  // namespace plumb::data
