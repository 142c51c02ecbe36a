#include "data/tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

struct Span {
  size_t begin, end;
  bool match;
};

// Matches and what lies between them, covering the text.
std::vector<Span> cover(const std::vector<std::pair<size_t, size_t>>& matches, size_t size) {
  std::vector<Span> spans;
  size_t at = 0;
  for (const auto& [begin, end] : matches) {
    if (begin > at) spans.push_back({at, begin, false});
    spans.push_back({begin, end, true});
    at = end;
  }
  if (at < size) spans.push_back({at, size, false});
  return spans;
}

std::vector<std::pair<size_t, size_t>> find_matches(const SplitStage& stage, std::string_view text) {
  std::vector<std::pair<size_t, size_t>> matches;
  switch (stage.kind) {
    case SplitStage::Kind::regex:
      return stage.regex->matches(text);
    case SplitStage::Kind::scanner:
      scan_pieces(stage.scanner, text, [&](const char* begin, const char* end) {
        matches.emplace_back(begin - text.data(), end - text.data());
      });
      break;
    case SplitStage::Kind::literal:
      for (size_t at = text.find(stage.literal); at != std::string_view::npos;
           at = text.find(stage.literal, at + stage.literal.size()))
        matches.emplace_back(at, at + stage.literal.size());
      break;
    case SplitStage::Kind::digits:
      for (size_t at = 0; at < text.size();) {
        const CodePoint c = decode_utf8(text.data() + at);
        if (unicode_table().bits(c.value) & kNumeric) matches.emplace_back(at, at + c.size);
        at += c.size;
      }
      break;
  }
  return matches;
}

// A match joins the piece before it, unless that piece ended with a match already.
std::vector<Span> merge_with_previous(const std::vector<Span>& spans) {
  std::vector<Span> merged;
  bool after_match = false;
  for (const Span& span : spans) {
    if (span.match && !after_match && !merged.empty())
      merged.back().end = span.end;
    else
      merged.push_back(span);
    after_match = span.match;
  }
  return merged;
}

std::vector<Span> merge_with_next(const std::vector<Span>& spans) {
  std::vector<Span> merged;
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

std::vector<Span> merge_equal(const std::vector<Span>& spans) {
  std::vector<Span> merged;
  for (const Span& span : spans) {
    if (!merged.empty() && merged.back().match == span.match)
      merged.back().end = span.end;
    else
      merged.push_back(span);
  }
  return merged;
}

void apply(const SplitStage& stage, std::string_view text, std::vector<std::string_view>& out) {
  auto spans = cover(find_matches(stage, text), text.size());
  if (stage.invert)
    for (Span& span : spans) span.match = !span.match;
  switch (stage.behavior) {
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::removed:
      std::erase_if(spans, [](const Span& span) { return span.match; });
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
  for (const Span& span : spans)
    if (span.end > span.begin) out.push_back(text.substr(span.begin, span.end - span.begin));
}

}  // namespace

std::vector<std::string_view> PreTokenizer::split_by_stages(std::string_view text,
                                                            std::deque<std::string>& prefixed) const {
  std::vector<std::string_view> parts{text};
  for (const SplitStage& stage : stages) {
    std::vector<std::string_view> next;
    for (const std::string_view part : parts) apply(stage, part, next);
    parts = std::move(next);
  }
  if (add_prefix_space) {
    for (std::string_view& part : parts)
      if (!part.starts_with(' ')) part = prefixed.emplace_back(" " + std::string(part));
  }
  return parts;
}

}  // namespace plumb::data
