#include "data/tokenizer/split_spans.h"

#include <algorithm>

namespace plumb::data {

namespace {

// Matches and what lies between them, covering the text.
std::vector<SplitSpan> cover(const std::vector<std::pair<size_t, size_t>>& matches, size_t size) {
  std::vector<SplitSpan> spans;
  size_t at = 0;
  for (const auto& [begin, end] : matches) {
    if (begin > at) spans.push_back({at, begin, false});
    spans.push_back({begin, end, true});
    at = end;
  }
  if (at < size) spans.push_back({at, size, false});
  return spans;
}

// A match joins the piece before it, unless that piece ended with a match already.
std::vector<SplitSpan> merge_with_previous(const std::vector<SplitSpan>& spans) {
  std::vector<SplitSpan> merged;
  bool after_match = false;
  for (const SplitSpan& span : spans) {
    if (span.match && !after_match && !merged.empty())
      merged.back().end = span.end;
    else
      merged.push_back(span);
    after_match = span.match;
  }
  return merged;
}

std::vector<SplitSpan> merge_with_next(const std::vector<SplitSpan>& spans) {
  std::vector<SplitSpan> merged;
  bool before_match = false;
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    if (span->match && !before_match && !merged.empty())
      merged.back().begin = span->begin;
    else
      merged.push_back(*span);
    before_match = span->match;
  }
  std::reverse(merged.begin(), merged.end());
  return merged;
}

std::vector<SplitSpan> merge_equal(const std::vector<SplitSpan>& spans) {
  std::vector<SplitSpan> merged;
  for (const SplitSpan& span : spans) {
    if (!merged.empty() && merged.back().match == span.match)
      merged.back().end = span.end;
    else
      merged.push_back(span);
  }
  return merged;
}

}  // namespace

std::vector<SplitSpan> split_spans(const std::vector<std::pair<size_t, size_t>>& matches, size_t size,
                                   SplitBehavior behavior, bool invert) {
  auto spans = cover(matches, size);
  if (invert)
    for (SplitSpan& span : spans) span.match = !span.match;
  switch (behavior) {
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::removed:
      std::erase_if(spans, [](const SplitSpan& span) { return span.match; });
      break;
    case SplitBehavior::merged_with_previous:
      spans = merge_with_previous(spans);
      break;
    case SplitBehavior::merged_with_next:
      spans = merge_with_next(spans);
      break;
    case SplitBehavior::contiguous:
      spans = merge_equal(spans);
      break;
  }
  std::erase_if(spans, [](const SplitSpan& span) { return span.end <= span.begin; });
  return spans;
}

SplitBehavior read_split_behavior(const JsonPlace& place) {
  const std::string& name = place.text();
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  place.expected("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

}  // namespace plumb::data
