// Lines that belong to the page a text was taken from: notices of cookies, rights and sharing, by phrase; and running
// headers and footers where page breaks (form feeds, as pdftotext writes them) say where a page begins and ends.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "data/clean/rules.h"
#include "data/text/characters.h"

namespace plumb::data {
namespace {

// Lower case. The first six are C4's; a line with one of them that is not longer than a notice is no prose.
constexpr std::array<std::string_view, 36> kPhrases = {"terms of use",
                                                       "privacy policy",
                                                       "cookie policy",
                                                       "uses cookies",
                                                       "use of cookies",
                                                       "use cookies",
                                                       "accept all cookies",
                                                       "accept cookies",
                                                       "cookie settings",
                                                       "cookie preferences",
                                                       "manage cookies",
                                                       "all rights reserved",
                                                       "skip to content",
                                                       "skip to main content",
                                                       "back to top",
                                                       "share on facebook",
                                                       "share on twitter",
                                                       "share this article",
                                                       "follow us on",
                                                       "sign up for our newsletter",
                                                       "subscribe to our newsletter",
                                                       "click here to subscribe",
                                                       "log in to comment",
                                                       "please enable javascript",
                                                       "javascript is disabled",
                                                       "your browser does not support",
                                                       "무단 전재",
                                                       "무단전재",
                                                       "재배포 금지",
                                                       "개인정보처리방침",
                                                       "개인정보 처리방침",
                                                       "이용약관",
                                                       "쿠키를 사용",
                                                       "쿠키 설정",
                                                       "저작권자 ⓒ",
                                                       "본문 바로가기"};

constexpr size_t kEdgeLines = 2;  // a header or footer has at most so many lines

struct Line {
  std::string_view text;      // stripped
  size_t begin = 0, end = 0;  // with its line end
  bool removed = false;
};
using Page = std::vector<Line>;

std::string lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return lower;
}

std::vector<Page> pages_of(std::string_view text) {
  std::vector<Page> pages(1);
  for (size_t begin = 0; begin < text.size();) {
    const size_t at = std::min(text.find_first_of("\n\f", begin), text.size());
    const size_t end = std::min(at + 1, text.size());
    pages.back().push_back({strip(text.substr(begin, at - begin)), begin, end});
    if (at < text.size() && text[at] == '\f') pages.emplace_back();
    begin = end;
  }
  return pages;
}

// The line as the other pages have it: page numbers differ.
std::string running_form(std::string_view line) {
  std::string form;
  for (const char c : line) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || form.empty() || form.back() != '0') form += digit ? '0' : c;
  }
  return form;
}

// The first and the last lines of a page that hold text.
std::vector<Line*> edge_lines(Page& page) {
  std::vector<Line*> held;
  for (auto& line : page)
    if (!line.text.empty()) held.push_back(&line);
  if (held.size() > 2 * kEdgeLines) held.erase(held.begin() + kEdgeLines, held.end() - kEdgeLines);
  return held;
}

class Removal {
 public:
  Removal(const config::Boilerplate& options, std::string_view text, LineCounts& counts)
      : options_(options), text_(text), counts_(counts), pages_(pages_of(text)) {
    for (const auto& phrase : options.phrases) phrases_.push_back(lower_ascii(phrase));
  }

  bool run(std::string& kept) {
    remove_running_lines();
    remove_phrases();
    if (!removed_ && pages_.size() == 1) return false;
    kept.clear();
    for (const auto& page : pages_)
      for (const auto& line : page)
        if (!line.removed) kept.append(text_, line.begin, line.end - line.begin);
    std::replace(kept.begin(), kept.end(), '\f', '\n');
    return true;
  }

 private:
  const config::Boilerplate& options_;
  std::string_view text_;
  LineCounts& counts_;
  std::vector<Page> pages_;
  std::vector<std::string> phrases_;
  bool removed_ = false;

  void remove(Line& line, const char* reason) {
    line.removed = removed_ = true;
    ++counts_[reason];
  }

  bool short_enough(const Line& line) const {
    const auto most = static_cast<size_t>(options_.max_line_length);
    return !line.text.empty() && (line.text.size() <= most || count_code_points(line.text) <= most);
  }

  void remove_running_lines() {
    if (!options_.min_pages || static_cast<int64_t>(pages_.size()) < *options_.min_pages) return;
    std::map<std::string, size_t> on_pages;
    std::vector<std::pair<Line*, std::string>> candidates;
    for (auto& page : pages_) {
      std::set<std::string> seen;
      for (Line* line : edge_lines(page)) {
        if (!short_enough(*line)) continue;
        std::string form = running_form(line->text);
        if (seen.insert(form).second) ++on_pages[form];
        candidates.emplace_back(line, std::move(form));
      }
    }
    for (auto& [line, form] : candidates) {
      const size_t count = on_pages.at(form);
      if (static_cast<int64_t>(count) >= *options_.min_pages && count * 2 >= pages_.size())
        remove(*line, "boilerplate.header_or_footer");
    }
  }

  bool has_phrase(const std::string& lower) const {
    const auto inside = [&](std::string_view phrase) { return lower.find(phrase) != std::string::npos; };
    return std::any_of(kPhrases.begin(), kPhrases.end(), inside) ||
           std::any_of(phrases_.begin(), phrases_.end(), inside);
  }

  void remove_phrases() {
    for (auto& page : pages_)
      for (auto& line : page)
        if (!line.removed && short_enough(line) && has_phrase(lower_ascii(line.text)))
          remove(line, "boilerplate.phrase");
  }
};

}  // namespace

bool remove_boilerplate(const config::Boilerplate& options, std::string_view text, std::string& kept,
                        LineCounts& counts) {
  return Removal(options, text, counts).run(kept);
}

}  // namespace plumb::data
