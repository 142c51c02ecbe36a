// Normalizers of a tokenizer.json: what happens to text before it is cut into pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data/tokenizer/json_place.h"

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

// Error at the place of an unknown kind or option.
NormalizerPtr read_normalizer(const JsonPlace& place);

// One function each for what has a file of its own.
NormalizerPtr read_bert_normalizer(const JsonPlace& place);
NormalizerPtr read_precompiled_normalizer(const JsonPlace& place);
NormalizerPtr read_replace_normalizer(const JsonPlace& place);

}  // namespace plumb::data
