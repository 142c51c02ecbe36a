#include "core/config/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>

#include "core/config/utf8.h"

namespace plumb::config {
namespace {

constexpr size_t most_shown = 20;
constexpr size_t widest_excerpt = 140;

// Columns a terminal gives to the code point that starts here: East Asian wide characters take two.
int display_width(std::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c & 0xC0) == 0x80) continue;
    uint32_t point = c;
    if (c >= 0xF0) {
      point = 0x10000;
    } else if (c >= 0xE0 && i + 2 < text.size()) {
      point = (c & 15u) << 12 | (static_cast<unsigned char>(text[i + 1]) & 63u) << 6 |
              (static_cast<unsigned char>(text[i + 2]) & 63u);
    }
    const bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
                      (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
                      (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) || point >= 0x10000;
    width += wide ? 2 : 1;
  }
  return width;
}

// A message may carry bytes from outside (invalid UTF-8, escapes): the terminal gets none of them raw. As long as it
// was.
std::string printable(std::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size();) {
    const auto c = static_cast<unsigned char>(out[i]);
    const size_t n = utf8_length(text, i);
    if (c == '\t')
      out[i] = ' ';
    else if (n == 0 || c < 0x20 || c == 0x7F)
      out[i] = '?';
    i += n == 0 ? 1 : n;
  }
  return out;
}

std::string marked(const std::string& label, std::string line, size_t column, size_t length) {
  line = printable(line);
  column = std::min(column, line.size());
  if (line.size() > widest_excerpt) {
    // A window around the mark, cut at the borders of characters.
    const auto border = [&](size_t at) {
      while (at > 0 && at < line.size() && (static_cast<unsigned char>(line[at]) & 0xC0) == 0x80) --at;
      return at;
    };
    const size_t from = border(column > 60 ? column - 60 : 0);
    const size_t to = border(std::min(line.size(), from + widest_excerpt));
    const std::string front = from > 0 ? "..." : "", back = to < line.size() ? "..." : "";
    length = std::min(length, to - std::min(to, column));
    column = column - from + front.size();
    line = front + line.substr(from, to - from) + back;
  }
  const std::string_view whole = line;
  const auto marks = std::max(1, display_width(whole.substr(column, length)));
  return fmt::format("{} | {}\n{:{}} | {}{}", label, line, "", label.size(),
                     std::string(static_cast<size_t>(display_width(whole.substr(0, column))), ' '),
                     std::string(static_cast<size_t>(marks), '^'));
}

}  // namespace

std::string mistake_text(const std::string& where, const std::string& message, const std::string& excerpt,
                         const std::string& hint) {
  std::string text = where + ": error: " + printable(message) + "\n";
  if (!excerpt.empty()) text += excerpt + "\n";
  if (!hint.empty()) text += "      hint: " + printable(hint) + "\n";
  return text;
}

std::string count_line(size_t mistakes, size_t shown) {
  if (mistakes > shown)
    return fmt::format("{} errors: these {} and {} more, nothing was started", mistakes, shown, mistakes - shown);
  return fmt::format("{} error{}, nothing was started", mistakes, mistakes == 1 ? "" : "s");
}

Problems::Problems(const std::string& text, std::string name, std::vector<std::string> overrides)
    : name_(std::move(name)), overrides_(std::move(overrides)) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines_.push_back(text.substr(at, end - at));
    if (!lines_.back().empty() && lines_.back().back() == '\r') lines_.back().pop_back();
    at = end + 1;
  }
}

void Problems::add(const Place& place, std::string message, std::string hint) {
  problems_.push_back({place, std::move(message), std::move(hint)});
}

std::string Problems::where(const Place& place) const {
  if (place.on_command_line()) return "command line";
  if (place.in_file()) return fmt::format("{}:{}:{}", name_, place.line, place.column);
  return name_.empty() ? "command line" : name_;
}

std::string Problems::origin(const Place& place) const {
  if (place.on_command_line()) return "command line";
  return fmt::format("{}:{}", std::filesystem::path(name_).filename().string(), place.line);
}

std::string Problems::excerpt(const Place& place) const {
  if (place.on_command_line()) {
    const std::string& argument = overrides_.at(static_cast<size_t>(place.argument));
    return marked("     ", argument, 0, argument.size());
  }
  if (!place.in_file() || place.line < 1 || place.line > static_cast<int>(lines_.size())) return "";
  return marked(fmt::format("{:5}", place.line), lines_[static_cast<size_t>(place.line - 1)],
                static_cast<size_t>(std::max(0, place.column - 1)), static_cast<size_t>(std::max(1, place.length)));
}

void Problems::throw_if_any() const {
  if (problems_.empty()) return;
  // In the order of the file; then the command line; then what is missing altogether.
  auto sorted = problems_;
  const auto rank = [](const Problem& p) {
    const int group = p.place.in_file() ? 0 : p.place.on_command_line() ? 1 : 2;
    return std::tuple(group, p.place.line, p.place.column, p.place.argument);
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  std::string listing;
  const size_t shown = std::min(sorted.size(), most_shown);
  for (size_t i = 0; i < shown; ++i)
    listing += mistake_text(where(sorted[i].place), sorted[i].message, excerpt(sorted[i].place), sorted[i].hint);
  throw ConfigError(listing + count_line(sorted.size(), shown));
}

}  // namespace plumb::config
