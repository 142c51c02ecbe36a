// datatrove pipeline/filters/c4_filters.py; Raffel et al. 2020, section 2.2; the paragraph rule is mC4's.
#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "data/clean/rules.h"
#include "data/text/characters.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// Calls take(word) for each word of str.split() until it returns false.
template <class Take>
void for_each_split(std::string_view line, Take take) {
  const CharacterTable& table = characters();
  size_t begin = 0, at = 0;
  bool inside = false;
  while (at < line.size()) {
    const auto byte = static_cast<unsigned char>(line[at]);
    if (byte > ' ' && byte < 0x7F) {
      if (!inside) begin = at;
      inside = true;
      ++at;
      continue;
    }
    const CodePoint c = decode_utf8(line.data() + at);
    const bool space = table[c.value].flags & kIsSpace;
    if (space && inside && !take(line.substr(begin, at - begin))) return;
    if (!space && !inside) begin = at;
    inside = !space;
    at += c.size;
  }
  if (inside) take(line.substr(begin));
}

struct LineWords {
  size_t count = 0;
  bool too_long = false;  // one of them is
};

LineWords line_words(const config::C4& limits, const LanguageTraits& language, std::string_view line, Judged& judged) {
  LineWords found;
  if (!language.spaces) {
    thread_local std::vector<TextSpan> spans;
    judged.segmenter().words(line, spans);
    found.count = spans.size();
    return found;
  }
  for_each_split(line, [&](std::string_view word) {
    ++found.count;
    const auto length = [&] { return static_cast<int64_t>(judged.length(word)); };
    found.too_long = limits.max_word_length && static_cast<int64_t>(word.size()) > *limits.max_word_length &&
                     length() > *limits.max_word_length;
    return !found.too_long;
  });
  return found;
}

// re.compile(r"\[\d*]|\[edit]|\[citation needed]"): bytes of the match at the bracket, or 0.
size_t citation_length(std::string_view text) {
  size_t at = 1;
  while (at < text.size() && text[at] != ']') {
    const CodePoint c = decode_utf8(text.data() + at);
    if (u_charType(static_cast<UChar32>(c.value)) != U_DECIMAL_DIGIT_NUMBER) break;
    at += c.size;
  }
  if (at < text.size() && text[at] == ']') return at + 1;
  for (const std::string_view fixed : {"[edit]", "[citation needed]"})
    if (text.starts_with(fixed)) return fixed.size();
  return 0;
}

// `line` itself when there is none, else what is left of it in `buffer`.
std::string_view without_citations(std::string_view line, std::string& buffer) {
  size_t bracket = line.find('[');
  if (bracket == std::string_view::npos) return line;
  buffer.clear();
  size_t copied = 0;
  while (bracket != std::string_view::npos) {
    const size_t length = citation_length(line.substr(bracket));
    if (length > 0) {
      buffer.append(line, copied, bracket - copied);
      copied = bracket + length;
    }
    bracket = line.find('[', bracket + std::max(length, size_t{1}));
  }
  if (copied == 0) return line;
  return buffer.append(line, copied);
}

bool ends_well(std::string_view line, const LanguageTraits& language) {
  if (line.empty() || line.ends_with("...")) return false;
  if (std::string_view(".?!\"'").find(line.back()) != std::string_view::npos) return true;
  if (language.latin_end_marks) return false;
  const CodePoint last = decode_utf8_before(line.data(), line.data() + line.size());
  const bool quote = last.value == 0x201D || last.value == 0x2019 || last.value == 0x300D || last.value == 0x300F;
  return quote || (characters()[last.value].flags & kIsTerminal);
}

// str.lower() as far as the phrases see it: the only other letters that become ASCII are the Kelvin sign and a dotted
// capital I, which becomes two characters and matches nothing here.
std::string_view lowered(std::string_view line, std::string& buffer) {
  buffer.resize(line.size());
  std::transform(line.begin(), line.end(), buffer.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  constexpr std::string_view kelvin = "\xE2\x84\xAA";
  for (size_t at = buffer.find(kelvin); at != std::string::npos; at = buffer.find(kelvin, at + 1))
    buffer.erase(at + 1, kelvin.size() - 1)[at] = 'k';
  return buffer;
}

bool contains(std::string_view text, std::string_view part) {
  return memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

bool has_policy(std::string_view line) {
  if (contains(line, "cookie")) {
    for (const std::string_view phrase : {"cookie policy", "uses cookies", "use of cookies", "use cookies"})
      if (contains(line, phrase)) return true;
  }
  return contains(line, "terms of use") || contains(line, "privacy policy");
}

class C4Rule {
 public:
  C4Rule(const config::C4& limits, const LanguageTraits& language, Judged& judged, std::string& kept,
         LineCounts& counts)
      : limits_(limits), language_(language), judged_(judged), kept_(kept), counts_(counts) {}

  Failed run() {
    kept_.clear();
    const char* dropped = nullptr;
    for_each_line(judged_.text(), [&](std::string_view line) {
      if (!dropped) dropped = take(strip(line));
    });
    if (dropped) return dropped;
    if (limits_.min_sentences && sentences_ < *limits_.min_sentences)
      return {"min_sentences", sentences_, limits_.min_sentences};
    const std::string_view all = strip(kept_);
    if (all.size() != kept_.size()) kept_ = std::string(all);
    return nullptr;
  }

 private:
  const config::C4& limits_;
  const LanguageTraits& language_;
  Judged& judged_;
  std::string& kept_;
  LineCounts& counts_;
  int64_t sentences_ = 0;
  bool first_ = true;
  std::string uncited_, lower_;

  void remove(const char* reason) { ++counts_[reason]; }

  // Why the whole text goes, or nullptr; the line is kept or counted.
  const char* take(std::string_view line) {
    const LineWords words = line_words(limits_, language_, line, judged_);
    if (words.too_long) return remove("c4.max_word_length"), nullptr;
    if (limits_.remove_citations) line = without_citations(line, uncited_);
    if (limits_.terminal_punctuation && !ends_well(line, language_)) return remove("c4.terminal_punctuation"), nullptr;
    if (limits_.min_words_per_line && static_cast<int64_t>(words.count) < *limits_.min_words_per_line)
      return remove("c4.min_words_per_line"), nullptr;
    const std::string_view lower = lowered(line, lower_);
    if (limits_.lorem_ipsum && contains(lower, "lorem ipsum")) return "lorem_ipsum";
    if (limits_.javascript && contains(lower, "javascript")) return remove("c4.javascript"), nullptr;
    if (limits_.curly_bracket && line.find('{') != std::string_view::npos) return "curly_bracket";
    if (limits_.policy && has_policy(lower)) return remove("c4.policy"), nullptr;
    if (limits_.min_sentences) count_sentences(line);
    if (!first_) kept_ += '\n';
    kept_ += line;
    first_ = false;
    return nullptr;
  }

  void count_sentences(std::string_view line) {
    thread_local std::vector<TextSpan> spans;
    judged_.segmenter().sentences(line, spans);
    sentences_ += std::max<int64_t>(1, static_cast<int64_t>(spans.size()));
  }
};

}  // namespace

Failed judge_c4(const config::C4& limits, const LanguageTraits& language, Judged& judged, std::string& kept,
                LineCounts& counts) {
  return C4Rule(limits, language, judged, kept, counts).run();
}

Failed judge_c4_paragraphs(const config::C4Paragraphs& limits, Judged& judged) {
  int64_t long_enough = 0;
  const std::string_view text = judged.text();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    long_enough += static_cast<int64_t>(judged.length(text.substr(begin, end - begin))) >= limits.min_paragraph_length;
    begin = end + 1;
  }
  return long_enough < limits.min_paragraphs
             ? Failed("min_paragraphs", long_enough, std::optional(limits.min_paragraphs))
             : Failed();
}

}  // namespace plumb::data
