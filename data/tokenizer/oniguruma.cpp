#include "data/tokenizer/oniguruma.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/tokenizer/code_points.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

constexpr int kDeepest = 32;  // classes inside classes

// A class in the making: all its characters, and the same as a few of PCRE2's own properties and the rest. The
// properties keep a pattern with several \p{L} below the size that PCRE2 takes.
struct Class {
  CodePoints all, rest;
  std::string properties;

  void add(uint32_t first, uint32_t last) {
    all.add(first, last);
    rest.add(first, last);
  }
  void add(const CodePoints& set) {
    all.add(set);
    rest.add(set);
  }
  void add_property(const std::string& name, const CodePoints& set) {
    const CodePoints& system = pcre2_code_points(name);
    all.add(set);
    if (system.empty() || !system.common(set.others()).empty()) return rest.add(set);
    properties += "\\p{" + name + "}";
    rest.add(set.common(system.others()));
  }
};

class Translator {
 public:
  Translator(std::string_view expression, const std::string& where) : in_(expression), where_(where) {}

  std::string translate() {
    while (at_ < in_.size()) element();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail_input(where_, fmt::format("the pattern uses {}, which is not supported", what),
               "pattern: " + std::string(in_));
  }
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  uint32_t take() {
    if (at_ >= in_.size()) refuse("an unfinished class or escape");
    const CodePoint c = decode_utf8(in_.data() + at_);
    at_ += c.size;
    return c.value;
  }

  // One element outside classes. atom_ is where the element that a quantifier would repeat starts in out_.
  void element() {
    const char c = in_[at_];
    if (c == '\\') {
      atom_ = out_.size();
      ++at_;
      escape();
    } else if (c == '[') {
      atom_ = out_.size();
      ++at_;
      write_class();
    } else if (c == '(') {
      groups_.push_back(out_.size());
      open_group();
    } else if (c == ')') {
      atom_ = groups_.empty() ? out_.size() : groups_.back();
      if (!groups_.empty()) groups_.pop_back();
      out_ += in_[at_++];
    } else if (c == '{') {
      interval();
    } else if (c == '^' || c == '$') {
      out_ += fmt::format("(?m:{})", c);  // anchors of lines, always
      ++at_;
    } else if (c == '.') {
      atom_ = out_.size();
      out_ += '.';
      ++at_;
    } else {
      const CodePoint character = decode_utf8(in_.data() + at_);
      if (std::string_view("*+?|").find(c) == std::string_view::npos) atom_ = out_.size();
      out_ += in_.substr(at_, character.size);
      at_ += character.size;
    }
  }

  // (?m) is (?s) of PCRE2.
  void open_group() {
    if (next_is("(?~") || next_is("(?@") || next_is("(?{") || next_is("(*")) refuse(std::string(in_.substr(at_, 3)));
    const size_t begin = at_++;
    if (at_ + 1 < in_.size() && in_[at_] == '?' &&
        std::string_view("imx-").find(in_[at_ + 1]) != std::string_view::npos) {
      const size_t end = in_.find_first_of(":)", at_);
      if (end == std::string_view::npos) refuse("an unfinished group");
      std::string options(in_.substr(begin, end - begin));
      std::replace(options.begin(), options.end(), 'm', 's');
      out_ += options;
      at_ = end;
      if (in_[end] == ')') groups_.pop_back();
      out_ += in_[at_++];
      return;
    }
    out_ += '(';
  }

  // {n,m}: {,m} means {0,m}, and a + behind it repeats the whole instead of forbidding to give back.
  void interval() {
    const size_t close = in_.find('}', at_);
    const std::string_view inside = close == std::string_view::npos ? "" : in_.substr(at_ + 1, close - at_ - 1);
    const bool numbers = inside.find_first_not_of("0123456789,") == std::string_view::npos && !inside.empty() &&
                         inside != "," && std::count(inside.begin(), inside.end(), ',') <= 1;
    if (!numbers) {
      atom_ = out_.size();
      out_ += "\\{";
      ++at_;
      return;
    }
    at_ = close + 1;
    out_ += inside[0] == ',' ? fmt::format("{{0{}}}", inside) : fmt::format("{{{}}}", inside);
    if (at_ < in_.size() && in_[at_] == '+') {
      out_.insert(atom_, "(?:");
      out_ += ")";
    } else if (at_ < in_.size() && in_[at_] == '?' && inside.find(',') == std::string_view::npos) {
      refuse("{n}?");
    }
  }

  void write_ranges(const CodePoints& set, bool others) {
    if (set.empty()) {
      out_ += others ? "[\\x{0}-\\x{10FFFF}]" : "(?!)";
      return;
    }
    out_ += others ? "[^" : "[";
    write_list(set);
    out_ += "]";
  }
  void write(const Class& set, bool others) {
    if (set.properties.empty()) return write_ranges(set.rest, others);
    out_ += others ? "[^" : "[";
    out_ += set.properties;
    write_list(set.rest);
    out_ += "]";
  }
  void write_list(const CodePoints& set) {
    for (const auto& [first, last] : set.ranges())
      out_ += first == last ? fmt::format("\\x{{{:x}}}", first) : fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", first, last);
  }

  CodePoints named(const std::string& name) const {
    CodePoints set;
    if (!named_code_points(name, set)) refuse(fmt::format("\\p{{{}}}", name));
    return set;
  }

  // \s \w \d \h and the like; `letter` stands behind the backslash. False: none of them.
  bool shorthand(char letter, CodePoints& set, bool in_class) {
    switch (letter) {
      case 's':
      case 'S':
        set = named("space");
        break;
      case 'w':
      case 'W':
        set = named(in_class ? "[word]" : "word");
        break;
      case 'd':
      case 'D':
        set = named("digit");
        break;
      case 'h':
      case 'H':
        set = named("xdigit");
        break;
      default:
        return false;
    }
    if (letter < 'a') set = set.others();
    return true;
  }

  // \p{L}, \P{L}, \p{^L}; at_ is behind the p. `negated`: it was P. Returns the set without the negation.
  CodePoints property(bool& negated, std::string& name) {
    if (at_ < in_.size() && in_[at_] == '{') {
      const size_t close = in_.find('}', at_);
      if (close == std::string_view::npos) refuse("an unfinished \\p{");
      name = in_.substr(at_ + 1, close - at_ - 1);
      at_ = close + 1;
    } else {
      refuse("\\p without braces");
    }
    if (name.starts_with('^')) {
      negated = !negated;
      name.erase(0, 1);
    }
    return named(name);
  }
  void add_property(bool negated, Class& set) {
    std::string name;
    const CodePoints members = property(negated, name);
    if (negated)
      set.add(members.others());
    else
      set.add_property(name, members);
  }

  // Value of an escape that stands for one character; at_ is behind `letter`.
  uint32_t escaped_character(uint32_t letter) {
    switch (letter) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1B;
      case 'x':
      case 'u':
        return hexadecimal(letter == 'u' ? 4 : 2);
      case '0':
        return 0;
      default:
        if ((letter >= '1' && letter <= '9') || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
          refuse(fmt::format("\\{}", static_cast<char>(letter)));
        return letter;
    }
  }

  uint32_t hexadecimal(int digits) {
    const bool braces = digits == 2 && at_ < in_.size() && in_[at_] == '{';
    if (braces) ++at_;
    uint32_t value = 0;
    int count = 0;
    for (; at_ < in_.size() && count < (braces ? 8 : digits); ++at_, ++count) {
      const char c = in_[at_];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) break;
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    if (braces && (at_ >= in_.size() || in_[at_++] != '}')) refuse("an unfinished \\x{");
    if (count == 0 || value > CodePoints::kLast || (!braces && digits == 2 && value > 0x7F)) refuse("a raw byte");
    return value;
  }

  void escape() {
    const uint32_t letter = take();
    CodePoints set;
    if (letter == 'p' || letter == 'P') {
      bool negated = letter == 'P';
      std::string name;
      const CodePoints members = property(negated, name);
      Class one;
      one.add_property(name, members);
      write(one, negated);
    } else if (letter < 128 && shorthand(static_cast<char>(letter), set, false)) {
      // The complement as such, so that case folding does not widen it.
      const bool others = letter < 'a';
      write_ranges(others ? set.others() : set, others);
    } else if (letter == 'b' || letter == 'B') {
      std::string word;
      std::swap(word, out_);
      write_ranges(named("word"), false);
      std::swap(word, out_);
      out_ += letter == 'b' ? fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word)
                            : fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
    } else if (letter == 'A' || letter == 'z' || letter == 'Z') {
      out_ += fmt::format("\\{}", static_cast<char>(letter));
    } else if (letter == 'R') {
      out_ += "(?>\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])";
    } else if (letter >= '1' && letter <= '9') {
      out_ += fmt::format("\\{}", static_cast<char>(letter));
    } else {
      out_ += fmt::format("\\x{{{:x}}}", escaped_character(letter));
    }
  }

  void write_class() {
    const bool others = at_ < in_.size() && in_[at_] == '^';
    if (others) ++at_;
    write(class_body(0), others);
  }

  // [:space:] and the like; at_ is at "[:". False: a nested class begins here.
  bool posix(Class& set) {
    const size_t close = in_.find(":]", at_);
    if (close == std::string_view::npos || close - at_ > 20) return false;
    std::string name(in_.substr(at_ + 2, close - at_ - 2));
    const bool negated = name.starts_with('^');
    if (negated) name.erase(0, 1);
    if (name.empty() || !std::all_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; }))
      return false;
    at_ = close + 2;
    const CodePoints members = named(name == "punct" || name == "word" ? "[" + name + "]" : name);
    set.add(negated ? members.others() : members);
    return true;
  }

  // What stands between [ or [^ and its ]; reads the ].
  Class class_body(int depth) {
    if (depth > kDeepest) refuse("classes nested so deep");
    Class set;
    CodePoints conjunction;
    bool conjoined = false;
    for (bool first = true;; first = false) {
      if (at_ >= in_.size()) refuse("an unfinished class");
      if (in_[at_] == ']' && !first) break;
      if (next_is("&&")) {
        at_ += 2;
        conjunction = conjoined ? conjunction.common(set.all) : set.all;
        conjoined = true;
        set = {};
      } else if (!(next_is("[:") && posix(set))) {
        class_item(set, depth);
      }
    }
    ++at_;
    if (!conjoined) return set;
    Class both;
    both.add(conjunction.common(set.all));
    return both;
  }

  void class_item(Class& set, int depth) {
    if (in_[at_] == '[') {
      ++at_;
      const bool others = at_ < in_.size() && in_[at_] == '^';
      if (others) ++at_;
      const CodePoints inner = class_body(depth + 1).all;
      set.add(others ? inner.others() : inner);
      return;
    }
    uint32_t first = 0;
    if (!class_character(set, first)) return;
    uint32_t last = first;
    const bool range = next_is("-") && at_ + 1 < in_.size() && in_[at_ + 1] != ']' && !next_is("-[") && !next_is("-&&");
    if (range) {
      ++at_;
      Class other;
      if (!class_character(other, last)) {  // [a-\d]: the hyphen is a character
        set.add(first, first);
        set.add('-', '-');
        set.add(other.all);
        return;
      }
      if (last < first) refuse("an empty range in a class");
    }
    set.add(first, last);
  }

  // A character into `character` (true) or a set such as \s added to `set` (false).
  bool class_character(Class& set, uint32_t& character) {
    character = take();
    if (character != '\\') return true;
    const uint32_t letter = take();
    CodePoints named_set;
    if (letter == 'p' || letter == 'P') {
      add_property(letter == 'P', set);
      return false;
    }
    if (letter < 128 && shorthand(static_cast<char>(letter), named_set, true)) {
      set.add(named_set);
      return false;
    }
    character = letter == 'b' ? '\b' : escaped_character(letter);
    return true;
  }

  std::string_view in_;
  const std::string& where_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;
  std::vector<size_t> groups_;  // where open groups start in out_
};

}  // namespace

std::string to_pcre2(std::string_view expression, const std::string& where) {
  if (!is_valid_utf8(expression)) fail_input(where, "expected a pattern in UTF-8, found invalid bytes");
  return Translator(expression, where).translate();
}

}  // namespace plumb::data
