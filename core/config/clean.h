// `data.clean`: what happens to a text before it becomes tokens. Off by default.
// The defaults of the rules are the published thresholds; an empty optional turns the one threshold off.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plumb::config {

using CountLimit = std::optional<int64_t>;
using ShareLimit = std::optional<double>;

// Rae et al. 2021 (Gopher), appendix A.1.1 "quality".
struct GopherQuality {
  CountLimit min_words = 50, max_words = 100000;  // words that are not punctuation alone
  ShareLimit min_mean_word_length;                // auto: 3, less or none for languages with shorter words
  ShareLimit max_mean_word_length = 10;           // characters
  ShareLimit max_hash_ratio = 0.1;                // `#` to words
  ShareLimit max_ellipsis_ratio = 0.1;            // `...` and U+2026 to words
  ShareLimit max_bullet_lines = 0.9;              // lines that begin with a bullet
  ShareLimit max_ellipsis_lines = 0.3;            // lines that end with an ellipsis
  ShareLimit min_alphabetic_words = 0.8;          // words with a letter
  CountLimit min_stop_words = 2;                  // different ones
  std::vector<std::string> stop_words;            // empty: those of the text's language
};

// The same, "repetition" (table A1).
struct GopherRepetition {
  ShareLimit max_duplicate_lines = 0.30, max_duplicate_paragraphs = 0.30;
  ShareLimit max_duplicate_line_characters = 0.20, max_duplicate_paragraph_characters = 0.20;
  ShareLimit max_top_2_gram = 0.20, max_top_3_gram = 0.18, max_top_4_gram = 0.16;
  ShareLimit max_duplicate_5_grams = 0.15, max_duplicate_6_grams = 0.14, max_duplicate_7_grams = 0.13;
  ShareLimit max_duplicate_8_grams = 0.12, max_duplicate_9_grams = 0.11, max_duplicate_10_grams = 0.10;
};

// Raffel et al. 2020 (C4), section 2.2, and the paragraph rule of mC4.
struct C4 {
  bool terminal_punctuation = true;  // lines must end with it
  bool remove_citations = true, lorem_ipsum = true, javascript = true, curly_bracket = true, policy = true;
  CountLimit min_sentences = 5, min_words_per_line = 3, max_word_length = 1000;
};
struct C4Paragraphs {
  int64_t min_paragraphs = 3, min_paragraph_length = 200;
};

// Penedo et al. 2024 (FineWeb), section 3.5.
struct FineWeb {
  ShareLimit min_terminal_lines = 0.12;  // lines that end with terminal punctuation
  bool terminal_lines_or_none = false;   // a text without any such line passes
  ShareLimit max_short_lines = 0.67;
  int64_t short_line_length = 30;
  ShareLimit max_duplicate_line_characters = 0.01;
  ShareLimit max_newlines_per_word = 0.3;
};

// Lines that belong to the page, not to the text.
struct Boilerplate {
  int64_t max_line_length = 200;     // only lines up to this length are looked at
  CountLimit min_pages = 3;          // headers and footers: on so many pages, and on half of them
  std::vector<std::string> phrases;  // beside the built-in ones
};

// In the order in which they are applied: what removes lines of the page first, then FineWeb's order.
inline constexpr const char* kCleanRules[] = {"boilerplate", "gopher_repetition", "gopher_quality",
                                              "c4",          "c4_paragraphs",     "fineweb"};

struct CleanSection {
  std::string normalize = "none";  // none nfc nfkc
  bool repair = false;
  std::vector<std::string> languages;  // kept ones; empty: all
  double language_score = 0.65;
  std::vector<std::string> rules;  // boilerplate gopher_repetition gopher_quality c4 c4_paragraphs fineweb
  GopherQuality gopher_quality;
  GopherRepetition gopher_repetition;
  C4 c4;
  C4Paragraphs c4_paragraphs;
  FineWeb fineweb;
  Boilerplate boilerplate;
};

}  // namespace plumb::config
