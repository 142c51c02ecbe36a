// Normalizers of a tokenizer.json: what happens to text before it is cut into pieces.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizer/json_place.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

// Text on its way through the components. `first`: how many of its bytes stem from the first character of the document
// (0 for text further behind); Metaspace with prepend_scheme `first` asks.
struct NormalText {
  std::string text;
  size_t first = 0;
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(NormalText& text) const = 0;
  std::string normalized(std::string_view text) const {
    NormalText result{std::string(text), 0};
    normalize(result);
    return std::move(result.text);
  }
};
using NormalizerPtr = std::unique_ptr<const Normalizer>;

// A normalizer that treats a text as it treats its parts, so that the part from the first character is its own measure.
class TextFunction final : public Normalizer {
 public:
  using Function = std::function<std::string(std::string_view)>;
  explicit TextFunction(Function function) : function_(std::move(function)) {}
  void normalize(NormalText& text) const override {
    const size_t first = text.first == 0 ? 0 : function_(std::string_view(text.text).substr(0, text.first)).size();
    text.text = function_(text.text);
    text.first = first;
  }

 private:
  Function function_;
};

// each(code point, result) for every character.
template <class Each>
std::string by_character(std::string_view text, Each&& each) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    each(c.value, result);
    at += c.size;
  }
  return result;
}

// Error at the place of an unknown kind or option.
NormalizerPtr read_normalizer(const JsonPlace& place);

// One function each for what has a file of its own.
NormalizerPtr read_bert_normalizer(const JsonPlace& place);
NormalizerPtr read_precompiled_normalizer(const JsonPlace& place);
NormalizerPtr read_replace_normalizer(const JsonPlace& place);

}  // namespace plumb::data
