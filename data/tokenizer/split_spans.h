// What becomes of the matches of a pattern when text is cut at them.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/json_place.h"

namespace plumb::data {

// Names of tokenizer.json.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

struct SplitSpan {
  size_t begin, end;
  bool match;
};

// The pieces of a text of `size` bytes, none of them empty. `invert`: what lies between the matches counts as the
// match.
std::vector<SplitSpan> split_spans(const std::vector<std::pair<size_t, size_t>>& matches, size_t size,
                                   SplitBehavior behavior, bool invert);

SplitBehavior read_split_behavior(const JsonPlace& place);

}  // namespace plumb::data
