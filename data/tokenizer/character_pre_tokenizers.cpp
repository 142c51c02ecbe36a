// Pre-tokenizers that decide by single characters: white space, punctuation, digits, scripts, a delimiter, a length.
#include <functional>

#include "data/tokenizer/split_spans.h"
#include "data/tokenizer/text_pre_tokenizer.h"
#include "data/tokenizer/unicode.h"
#include "data/tokenizer/unicode_properties.h"

namespace plumb::data {

namespace {

bool is_space(uint32_t c) { return (unicode_table().bits(c) & kSpace) != 0; }
bool is_punctuation(uint32_t c) { return has_text_bit(c, kPunctuation); }
bool is_numeric(uint32_t c) { return (unicode_table().bits(c) & kNumeric) != 0; }

template <class Each>
void each_character(std::string_view text, Each&& each) {  // each(code point, begin, end)
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    each(c.value, at, at + c.size);
    at += c.size;
  }
}

class CharacterSplit final : public TextPreTokenizer {
 public:
  CharacterSplit(std::function<bool(uint32_t)> test, SplitBehavior behavior)
      : test_(std::move(test)), behavior_(behavior) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces&) const override {
    std::vector<std::pair<size_t, size_t>> matches;
    each_character(piece.text, [&](uint32_t c, size_t begin, size_t end) {
      if (test_(c)) matches.emplace_back(begin, end);
    });
    for (const SplitSpan& span : split_spans(matches, piece.text.size(), behavior_, false))
      out.push_back(piece.part(span.begin, span.end));
  }

 private:
  std::function<bool(uint32_t)> test_;
  SplitBehavior behavior_;
};

// \w+|[^\w\s]+
class Whitespace final : public TextPreTokenizer {
 public:
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces&) const override {
    size_t start = 0;
    int before = 0;  // 0: space, 1: word, 2: other
    each_character(piece.text, [&](uint32_t c, size_t begin, size_t) {
      const uint8_t bits = unicode_table().bits(c);
      const int kind = bits & kWord ? 1 : bits & kSpace ? 0 : 2;
      if (kind == before) return;
      if (before != 0) out.push_back(piece.part(start, begin));
      start = begin;
      before = kind;
    });
    if (before != 0) out.push_back(piece.part(start, piece.text.size()));
  }
};

// As SentencePiece cuts words while training: where the script changes. What stands before the first character with a
// script is lost, as it is in `tokenizers`.
class UnicodeScripts final : public TextPreTokenizer {
 public:
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces&) const override {
    uint16_t last = 0;
    size_t start = std::string_view::npos;
    each_character(piece.text, [&](uint32_t c, size_t begin, size_t) {
      const uint16_t script = segment_script_map()[c];
      if (script == 0 || script == last) return;
      if (start != std::string_view::npos) out.push_back(piece.part(start, begin));
      start = begin;
      last = script;
    });
    if (start != std::string_view::npos) out.push_back(piece.part(start, piece.text.size()));
  }
};

class FixedLength final : public TextPreTokenizer {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces&) const override {
    size_t start = 0;
    int64_t count = 0;
    each_character(piece.text, [&](uint32_t, size_t, size_t end) {
      if (++count < length_) return;
      out.push_back(piece.part(start, end));
      start = end;
      count = 0;
    });
    if (count > 0) out.push_back(piece.part(start, piece.text.size()));
  }

 private:
  int64_t length_;
};

uint32_t read_character(const JsonPlace& place) {
  const std::string& text = place.text();
  if (text.empty() || decode_utf8(text.data()).size != text.size()) place.expected("one character");
  return decode_utf8(text.data()).value;
}

}  // namespace

bool read_character_pre_tokenizer(const JsonPlace& place, const std::string& type, TextPreTokenizers& list) {
  const auto cut = [&](std::function<bool(uint32_t)> test, SplitBehavior behavior) {
    list.push_back(std::make_unique<CharacterSplit>(std::move(test), behavior));
  };
  if (type == "Whitespace") {
    list.push_back(std::make_unique<Whitespace>());
  } else if (type == "WhitespaceSplit") {
    cut(is_space, SplitBehavior::removed);
  } else if (type == "BertPreTokenizer") {
    cut(is_space, SplitBehavior::removed);
    cut(is_punctuation, SplitBehavior::isolated);
  } else if (type == "Punctuation") {
    const auto behavior = place.find("behavior");
    cut(is_punctuation, behavior ? read_split_behavior(*behavior) : SplitBehavior::isolated);
  } else if (type == "Digits") {
    cut(is_numeric, place.at("individual_digits").boolean() ? SplitBehavior::isolated : SplitBehavior::contiguous);
  } else if (type == "UnicodeScripts") {
    list.push_back(std::make_unique<UnicodeScripts>());
  } else if (type == "CharDelimiterSplit" || type == "Delimiter") {
    const uint32_t delimiter = read_character(place.at("delimiter"));
    cut([delimiter](uint32_t c) { return c == delimiter; }, SplitBehavior::removed);
  } else if (type == "FixedLength") {
    const auto length = place.find("length");
    list.push_back(std::make_unique<FixedLength>(length ? length->integer(1, INT64_MAX) : 5));
  } else {
    return false;
  }
  return true;
}

}  // namespace plumb::data
