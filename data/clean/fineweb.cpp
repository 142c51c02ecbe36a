// datatrove pipeline/filters/fineweb_quality_filter.py; Penedo et al. 2024, section 3.5.
#include <algorithm>

#include "data/clean/rules.h"
#include "data/text/characters.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

bool ends_in_terminal(std::string_view line) {
  const CodePoint last = decode_utf8_before(line.data(), line.data() + line.size());
  return characters()[last.value].flags & kIsTerminal;
}

double share(size_t part, size_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

// Lines of text.split("\n") that are not white space alone.
void text_lines(std::string_view text, std::vector<std::string_view>& lines) {
  lines.clear();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (!strip_left(line).empty()) lines.push_back(line);
    begin = end + 1;
  }
}

}  // namespace

Failed judge_fineweb(const config::FineWeb& limits, Judged& judged) {
  thread_local std::vector<std::string_view> lines;
  const std::string_view text = judged.text();
  text_lines(text, lines);
  if (lines.empty()) return "empty";
  const auto terminal = static_cast<size_t>(std::count_if(lines.begin(), lines.end(), ends_in_terminal));
  const double terminal_share = share(terminal, lines.size());
  if (limits.min_terminal_lines && terminal_share < *limits.min_terminal_lines &&
      !(terminal == 0 && limits.terminal_lines_or_none))
    return {"min_terminal_lines", terminal_share, limits.min_terminal_lines};
  const auto short_lines = static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [&](std::string_view line) {
    return static_cast<int64_t>(judged.length(line)) <= limits.short_line_length;
  }));
  const double short_share = share(short_lines, lines.size());
  if (limits.max_short_lines && short_share > *limits.max_short_lines)
    return {"max_short_lines", short_share, limits.max_short_lines};
  const auto newlines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  if (limits.max_duplicate_line_characters) {
    const double repeated = share(find_duplicates(lines, judged).characters, judged.length() - newlines);
    if (repeated > *limits.max_duplicate_line_characters)
      return {"max_duplicate_line_characters", repeated, limits.max_duplicate_line_characters};
  }
  if (limits.max_newlines_per_word) {
    const size_t words = judged.words().size();
    if (words == 0) return "max_newlines_per_word";
    const double ratio = share(newlines, words);
    if (ratio > *limits.max_newlines_per_word) return {"max_newlines_per_word", ratio, limits.max_newlines_per_word};
  }
  return nullptr;
}

}  // namespace plumb::data
