#include "data/tokenizer/pre_tokenizer.h"

#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

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

void apply(const SplitStage& stage, std::string_view text, std::vector<std::string_view>& out) {
  for (const SplitSpan& span : split_spans(find_matches(stage, text), text.size(), stage.behavior, stage.invert))
    out.push_back(text.substr(span.begin, span.end - span.begin));
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
