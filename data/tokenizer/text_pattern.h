// The `pattern` of Replace and Split: a literal text or a regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/json_place.h"
#include "data/tokenizer/pattern.h"

namespace plumb::data {

class TextPattern {
 public:
  explicit TextPattern(const JsonPlace& place);
  // Byte ranges of the matches, in order.
  std::vector<std::pair<size_t, size_t>> matches(std::string_view text) const;

 private:
  std::string literal_;
  std::shared_ptr<const Pattern> regex_;
};

}  // namespace plumb::data
