// datatrove pipeline/filters/gopher_quality_filter.py; Rae et al. 2021, appendix A.1.1.
#include <algorithm>

#include "data/clean/rules.h"
#include "data/text/characters.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool has_letter(std::string_view word) {
  if (is_ascii_letter(word[0])) return true;
  const CharacterTable& table = characters();
  for (size_t at = 0; at < word.size();) {
    const CodePoint c = decode_utf8(word.data() + at);
    if (table[c.value].flags & kIsLetter) return true;
    at += c.size;
  }
  return false;
}

// str.count: without overlap.
size_t count(std::string_view text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

struct WordFigures {
  size_t words = 0, not_symbols = 0, length = 0, with_letter = 0;
};

WordFigures word_figures(Judged& judged) {
  WordFigures figures;
  for (const auto& span : judged.words()) {
    const std::string_view word = judged.word(span);
    ++figures.words;
    const bool plain = is_ascii_letter(word[0]);
    if (plain || !is_punctuation_only(word)) {
      ++figures.not_symbols;
      figures.length += judged.length(word);
    }
    figures.with_letter += plain || has_letter(word);
  }
  return figures;
}

struct LineFigures {
  size_t lines = 0, bullets = 0, ellipses = 0;
};

LineFigures line_figures(std::string_view text) {
  LineFigures figures;
  for_each_line(text, [&](std::string_view line) {
    ++figures.lines;
    const std::string_view begin = strip_left(line), end = strip_right(line);
    figures.bullets += begin.starts_with("•") || begin.starts_with('-');
    figures.ellipses += end.ends_with("...") || end.ends_with("…");
  });
  return figures;
}

// Different stop words, as they are written; no more than `wanted` are looked for.
int64_t count_stop_words(const std::vector<std::string>& stop_words, int64_t wanted, Judged& judged) {
  size_t longest = 0;
  for (const auto& word : stop_words) longest = std::max(longest, word.size());
  std::vector<bool> seen(stop_words.size());
  int64_t different = 0;
  for (const auto& span : judged.words()) {
    if (different >= wanted) break;
    const std::string_view word = judged.word(span);
    if (word.size() > longest) continue;
    for (size_t i = 0; i < stop_words.size(); ++i) {
      if (stop_words[i] != word) continue;
      different += !seen[i];
      seen[i] = true;
      break;
    }
  }
  return different;
}

double share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Failed above(const char* key, double value, const config::ShareLimit& limit) {
  return limit && value > *limit ? Failed(key, value, limit) : Failed();
}
Failed below(const char* key, double value, const config::ShareLimit& limit) {
  return limit && value < *limit ? Failed(key, value, limit) : Failed();
}

}  // namespace

Failed judge_gopher_quality(const config::GopherQuality& limits, const LanguageTraits& language, Judged& judged) {
  const WordFigures words = word_figures(judged);
  const auto plain = static_cast<int64_t>(words.not_symbols);
  if (words.words == 0 || (limits.min_words && plain < *limits.min_words))
    return {"min_words", plain, limits.min_words};
  if (limits.max_words && plain > *limits.max_words) return {"max_words", plain, limits.max_words};
  if (words.not_symbols > 0) {
    const double mean = share(words.length, words.not_symbols);
    const config::ShareLimit least = limits.min_mean_word_length.value_or(language.min_mean_word_length);
    if (const auto failed = below("min_mean_word_length", mean, least)) return failed;
    if (const auto failed = above("max_mean_word_length", mean, limits.max_mean_word_length)) return failed;
  }
  const std::string_view text = judged.text();
  const double hashes = share(static_cast<size_t>(std::count(text.begin(), text.end(), '#')), words.words);
  if (const auto failed = above("max_hash_ratio", hashes, limits.max_hash_ratio)) return failed;
  const double ellipses = share(count(text, "...") + count(text, "…"), words.words);
  if (const auto failed = above("max_ellipsis_ratio", ellipses, limits.max_ellipsis_ratio)) return failed;
  const LineFigures lines = line_figures(text);
  const double bullets = share(lines.bullets, lines.lines);
  if (const auto failed = above("max_bullet_lines", bullets, limits.max_bullet_lines)) return failed;
  const double trailing = share(lines.ellipses, lines.lines);
  if (const auto failed = above("max_ellipsis_lines", trailing, limits.max_ellipsis_lines)) return failed;
  const double alphabetic = share(words.with_letter, words.words);
  if (const auto failed = below("min_alphabetic_words", alphabetic, limits.min_alphabetic_words)) return failed;
  const auto* stop_words = limits.stop_words.empty() ? language.stop_words : &limits.stop_words;
  if (!limits.min_stop_words || !stop_words) return nullptr;
  const int64_t found = count_stop_words(*stop_words, *limits.min_stop_words, judged);
  return found < *limits.min_stop_words ? Failed("min_stop_words", found, limits.min_stop_words) : Failed();
}

}  // namespace plumb::data
