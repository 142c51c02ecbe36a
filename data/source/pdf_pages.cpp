#include "data/source/pdf_pages.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace plumb::data {

namespace {

constexpr size_t kEdge = 2;             // lines looked at on each edge of a page
constexpr size_t kFewestPages = 3;      // below, nothing can be called repeated
constexpr double kShareOfPages = 0.5;   // a line on fewer pages stays
constexpr size_t kLongestHeader = 200;  // bytes

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view page) {
  Lines lines;
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    std::string_view line = page.substr(at, end - at);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    lines.push_back(line);
    at = end + 1;
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Runs of digits are one sign, so that "Page 9" and "Page 10" are the same line.
std::string pattern_of(std::string_view line) {
  std::string pattern;
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  for (const char c : line) {
    if (c < '0' || c > '9')
      pattern += c;
    else if (pattern.empty() || pattern.back() != '#')
      pattern += '#';
  }
  return pattern;
}

// Indices of the lines on a page's two edges, empty lines not counted.
std::vector<size_t> edges(const Lines& lines) {
  std::vector<size_t> found;
  for (size_t i = 0; i < lines.size() && found.size() < kEdge; ++i) {
    if (!lines[i].empty()) found.push_back(i);
  }
  const size_t top = found.size();
  for (size_t i = lines.size(); i-- > 0 && found.size() < top + kEdge;) {
    if (lines[i].empty()) continue;
    if (std::find(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(top), i) != found.end()) break;
    found.push_back(i);
  }
  return found;
}

std::unordered_set<std::string> repeated_lines(const std::vector<Lines>& pages) {
  std::unordered_map<std::string, size_t> on_pages;
  for (const auto& lines : pages) {
    std::unordered_set<std::string> here;
    for (const size_t i : edges(lines)) {
      if (lines[i].size() <= kLongestHeader) here.insert(pattern_of(lines[i]));
    }
    for (const auto& pattern : here) ++on_pages[pattern];
  }
  std::unordered_set<std::string> repeated;
  if (pages.size() < kFewestPages) return repeated;
  for (const auto& [pattern, count] : on_pages) {
    if (count >= kFewestPages && static_cast<double>(count) >= kShareOfPages * static_cast<double>(pages.size())) {
      repeated.insert(pattern);
    }
  }
  return repeated;
}

}  // namespace

Document join_pages(std::string_view text) {
  std::vector<Lines> pages;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\f', at), text.size());
    pages.push_back(lines_of(text.substr(at, end - at)));
    at = end + 1;
  }
  const auto repeated = repeated_lines(pages);
  Document document;
  int64_t left_out = 0;
  for (const auto& lines : pages) {
    std::unordered_set<size_t> edge_lines;
    for (const size_t i : edges(lines)) {
      if (lines[i].size() <= kLongestHeader && repeated.contains(pattern_of(lines[i]))) edge_lines.insert(i);
    }
    bool blank = true;  // at most one empty line in a row, none at the top
    for (size_t i = 0; i < lines.size(); ++i) {
      if (edge_lines.contains(i)) {
        left_out += static_cast<int64_t>(lines[i].size()) + 1;
      } else if (!lines[i].empty() || !blank) {
        document.text.append(lines[i]).push_back('\n');
        blank = lines[i].empty();
      }
    }
    while (document.text.ends_with("\n\n")) document.text.pop_back();
  }
  if (left_out > 0) document.left_out["pdf.repeated_lines"] = left_out;
  return document;
}

}  // namespace plumb::data
