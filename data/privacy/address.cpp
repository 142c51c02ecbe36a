// Addresses of the internet: mail, IPv4, IPv6.
#include <algorithm>
#include <array>

#include "data/privacy/labels.h"
#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

constexpr size_t longest_local = 64, longest_domain = 253;  // RFC 5321

bool is_local(unsigned char c) {
  return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '%' || c == '\'';
}

// Endings of files and of expressions in programs, not of domains: "icon@2x.png", "A@B.transpose".
bool ends_like_code(std::string_view last) {
  static constexpr std::array<std::string_view, 36> endings = {
      "png",   "jpg",       "jpeg",    "gif",  "svg",   "webp",  "bmp",  "ico",      "css",
      "js",    "mjs",       "tsx",     "html", "json",  "yaml",  "yml",  "toml",     "txt",
      "csv",   "log",       "shape",   "mean", "sum",   "dot",   "grad", "item",     "size",
      "dtype", "transpose", "reshape", "view", "numpy", "local", "lan",  "internal", "localdomain"};
  char lower[12];
  if (last.size() > sizeof lower) return false;
  for (size_t i = 0; i < last.size(); ++i) lower[i] = static_cast<char>(last[i] | 0x20);
  return std::find(endings.begin(), endings.end(), std::string_view(lower, last.size())) != endings.end();
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-';
}

bool is_top(std::string_view label) {
  if (label.size() < 2 || label.size() > 24) return label.starts_with("xn--");
  return std::all_of(label.begin(), label.end(), [](unsigned char c) { return is_letter(c); }) ||
         label.starts_with("xn--");
}

// "a@b.com.Then": the next sentence begins without a space.
bool is_next_sentence(std::string_view last, std::string_view before) {
  return last.size() > 1 && is_upper(last[0]) && is_lower(last[1]) && before.size() >= 2 && before.size() <= 4 &&
         std::all_of(before.begin(), before.end(), [](unsigned char c) { return is_lower(c); });
}

// The domain that `text` begins with, without what a sentence adds; empty: none.
std::string_view domain_of(std::string_view text) {
  size_t end = 0;
  while (end < text.size() && end <= longest_domain && (is_alnum(text[end]) || text[end] == '.' || text[end] == '-'))
    ++end;
  if (end > longest_domain || (end < text.size() && text[end] == '_')) return {};
  std::string_view domain = text.substr(0, end);
  while (!domain.empty() && (domain.back() == '.' || domain.back() == '-')) domain.remove_suffix(1);
  for (;;) {
    const size_t dot = domain.rfind('.');
    if (dot == std::string_view::npos) return {};
    const std::string_view last = domain.substr(dot + 1), rest = domain.substr(0, dot);
    const size_t before = rest.rfind('.');
    const bool sentence = before != std::string_view::npos && is_next_sentence(last, rest.substr(before + 1)) &&
                          is_top(rest.substr(before + 1));
    if (is_top(last) && !sentence) return ends_like_code(last) ? std::string_view{} : domain;
    domain = rest;
  }
}

// Every part between dots stands for itself; "18.2.0-beta.js" is a version of a package.
bool is_domain(std::string_view domain) {
  size_t from = 0, numbers = 0, labels = 0;
  while (from <= domain.size()) {
    const size_t dot = std::min(domain.find('.', from), domain.size());
    const std::string_view label = domain.substr(from, dot - from);
    if (!is_label(label)) return false;
    numbers += labels < 2 && is_digit(label[0]) && std::all_of(label.begin(), label.end(), is_digit);
    ++labels;
    from = dot + 1;
  }
  return numbers < 2;
}

// Not in the tables of the IANA that are kept for private and special use.
bool is_public(const std::array<int, 4>& o) {
  if (o[0] == 0 || o[0] == 10 || o[0] == 127 || o[0] >= 224) return false;
  if (o[0] == 100 && o[1] >= 64 && o[1] < 128) return false;
  if (o[0] == 169 && o[1] == 254) return false;
  if (o[0] == 172 && o[1] >= 16 && o[1] < 32) return false;
  if (o[0] == 192 && (o[1] == 168 || (o[1] == 0 && (o[2] == 0 || o[2] == 2)))) return false;
  if (o[0] == 198 && (o[1] == 18 || o[1] == 19 || (o[1] == 51 && o[2] == 100))) return false;
  return !(o[0] == 203 && o[1] == 0 && o[2] == 113);
}

int hex_of(unsigned char c) {
  if (is_digit(c)) return c - '0';
  const unsigned char lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::optional<Match> email_address(std::string_view text, size_t at, size_t from) {
  size_t begin = at;
  while (begin > from && at - begin <= longest_local && is_local(text[begin - 1])) --begin;
  if (at - begin > longest_local) return std::nullopt;
  while (begin < at && !is_alnum(text[begin]) && text[begin] != '_' && text[begin] != '+') ++begin;
  const std::string_view local = text.substr(begin, at - begin);
  if (local.empty() || local.back() == '.' || local.find("..") != std::string_view::npos) return std::nullopt;
  const int at_sign = static_cast<unsigned char>(text[at]) == 0xEF ? 3 : 1;
  const std::string_view domain = domain_of(text.substr(at + at_sign));
  if (domain.empty() || !is_domain(domain)) return std::nullopt;
  const size_t end = at + at_sign + domain.size();
  if (local == "git" && end < text.size() && (text[end] == ':' || text[end] == '/')) return std::nullopt;
  return Match{Kind::email, begin, end};
}

std::optional<NumberMatch> ipv4_address(const NumberRun& run, int group) {
  std::array<int, 4> octets;
  bool small = true;
  for (int i = 0; i < 4; ++i) {
    const int length = run.length(group + i);
    if (length < 1 || length > 3 || (i < 3 && run.joint(group + i) != Joint::dot)) return std::nullopt;
    const std::string_view digits = run.digits(group + i);
    octets[i] = number_of(digits);
    if (octets[i] > 255 || (length > 1 && digits[0] == '0')) return std::nullopt;
    small &= octets[i] < 20;
  }
  if (!is_public(octets) || !run.starts(group) || !run.ends(group + 3)) return std::nullopt;
  const std::string_view text = run.text();
  const size_t begin = run[group].begin, end = run[group + 3].end;
  if (run[group].end - run[group].begin != static_cast<size_t>(run.length(group))) return std::nullopt;  // full-width
  // "Chrome/49.0.2.1", "lib-1.2.3.4" and what is called a version are no addresses; small numbers need a word.
  if (begin >= 2 && text[begin - 1] == '/' && is_letter(text[begin - 2])) return std::nullopt;
  if (end < text.size() && text[end] == '-' && end + 1 < text.size() && is_alnum(text[end + 1])) return std::nullopt;
  if (label_before(text, begin, 16) == Label::version) return std::nullopt;
  if (small && label_before(text, begin) != Label::address) return std::nullopt;
  return match_of(Kind::ipv4, run, group, 4);
}

std::optional<Match> ipv6_address(std::string_view text, size_t at) {
  // Public addresses begin with 2000 to 3fff, hence with four digits.
  if (at + 5 > text.size() || (text[at] != '2' && text[at] != '3') || text[at + 4] != ':') return std::nullopt;
  if (at > 0 && (is_alnum(text[at - 1]) || text[at - 1] == ':' || text[at - 1] == '_')) return std::nullopt;
  int groups = 0, digits = 0;
  bool gap = false;
  std::array<int, 8> value{};
  size_t i = at, end = at;
  while (i < text.size() && groups < 8) {
    digits = 0;
    int sum = 0;
    for (; i < text.size() && hex_of(text[i]) >= 0 && digits < 5; ++i, ++digits) sum = sum * 16 + hex_of(text[i]);
    if (digits == 5) return std::nullopt;
    if (digits > 0) {
      value[groups++] = sum;
      end = i;
    }
    if (i >= text.size() || text[i] != ':') break;
    if (i + 1 < text.size() && text[i + 1] == ':') {
      if (gap) return std::nullopt;
      gap = true;
      i += 2;
      end = i;
    } else {
      if (i + 1 >= text.size() || hex_of(text[i + 1]) < 0) break;  // "... 2001:db8::1: it answers"
      ++i;
    }
  }
  if (gap ? groups < 3 || groups > 7 : groups != 8) return std::nullopt;
  if (value[0] == 0x2001 && value[1] == 0x0db8) return std::nullopt;  // of documentation
  if (end < text.size() && (is_alnum(text[end]) || text[end] == '_' ||
                            (text[end] == ':' && end + 1 < text.size() && is_alnum(text[end + 1]))))
    return std::nullopt;
  return Match{Kind::ipv6, at, end};
}

}  // namespace plumb::data::privacy
