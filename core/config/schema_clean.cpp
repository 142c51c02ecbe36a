// Keys of `data.clean`. Every rule has a group of its own with the published thresholds as defaults.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using D = DataSection;
using S = CleanSection;
using Quality = GopherQuality;
using Repetition = GopherRepetition;

// A threshold that may be turned off. The binding is at<&Config::data, &DataSection::clean, ...>.
using Bind = Target (*)(void*, bool);

Key count_limit(const char* address, const char* fallback, const char* meaning, Bind bind) {
  return {.address = address,
          .type = Type::count,
          .fallback = fallback,
          .meaning = meaning,
          .bind = bind,
          .may_be_none = true,
          .least = 0};
}

Key share_limit(const char* address, const char* fallback, const char* meaning, Bind bind) {
  return {.address = address,
          .type = Type::fraction,
          .fallback = fallback,
          .meaning = meaning,
          .bind = bind,
          .may_be_none = true,
          .least = 0,
          .most = 1};
}

Key ratio_limit(const char* address, const char* fallback, const char* meaning, Bind bind) {
  return {.address = address,
          .type = Type::number,
          .fallback = fallback,
          .meaning = meaning,
          .bind = bind,
          .may_be_none = true,
          .least = 0};
}

Key number_of(const char* address, const char* fallback, const char* meaning, Bind bind) {
  return {.address = address, .type = Type::count, .fallback = fallback, .meaning = meaning, .bind = bind, .least = 1};
}

Key yes_or_no(const char* address, const char* fallback, const char* meaning, Bind bind) {
  return {.address = address, .type = Type::boolean, .fallback = fallback, .meaning = meaning, .bind = bind};
}

template <auto... members>
constexpr Bind clean = at<&C::data, &D::clean, members...>;

std::vector<Key> section_keys() {
  return {
      {.address = "data.clean.repair",
       .type = Type::boolean,
       .fallback = "false",
       .meaning =
           "Mend what went through wrong hands: controls, line ends, zero-width and bidi controls, UTF-8 read as "
           "Latin-1 where certain, runs of blank lines (docs/data.md).",
       .bind = clean<&S::repair>},
      {.address = "data.clean.normalize",
       .type = Type::word,
       .fallback = "none",
       .meaning = "Unicode normalization form of every text.",
       .bind = clean<&S::normalize>,
       .words = "none nfc nfkc"},
      {.address = "data.clean.languages",
       .type = Type::texts,
       .fallback = "[]",
       .meaning = "Languages kept, by ISO 639-1 code (`[en, ko]`; `und`: text of no certain language); empty: all.",
       .bind = clean<&S::languages>},
      {.address = "data.clean.language_score",
       .type = Type::fraction,
       .fallback = "0.65",
       .meaning = "Least share of a document's letters that is in its language.",
       .bind = clean<&S::language_score>,
       .least = 0,
       .most = 1},
      {.address = "data.clean.rules",
       .type = Type::words,
       .fallback = "[]",
       .meaning = "Rules that remove lines and drop documents; applied in the order given here.",
       .bind = clean<&S::rules>,
       .words = "boilerplate gopher_repetition gopher_quality c4 c4_paragraphs fineweb"},
      number_of("data.clean.boilerplate.max_line_length", "200",
                "Only lines of at most so many characters are removed.",
                clean<&S::boilerplate, &Boilerplate::max_line_length>),
      count_limit("data.clean.boilerplate.min_pages", "3",
                  "A first or last line of pages goes when it stands on so many and on half of them (text with form "
                  "feeds; digits do not count).",
                  clean<&S::boilerplate, &Boilerplate::min_pages>),
      {.address = "data.clean.boilerplate.phrases",
       .type = Type::texts,
       .fallback = "[]",
       .meaning = "Lines with one of them go, too; case of ASCII letters does not count.",
       .bind = clean<&S::boilerplate, &Boilerplate::phrases>},
  };
}

std::vector<Key> repetition_keys() {
  const std::string group = "data.clean.gopher_repetition.";
  std::vector<Key> keys = {
      share_limit("max_duplicate_paragraphs", "0.3", "Share of paragraphs that stood before.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_paragraphs>),
      share_limit("max_duplicate_paragraph_characters", "0.2", "Share of characters in such paragraphs.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_paragraph_characters>),
      share_limit("max_duplicate_lines", "0.3", "Share of lines that stood before.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_lines>),
      share_limit("max_duplicate_line_characters", "0.2", "Share of characters in such lines.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_line_characters>),
      share_limit("max_top_2_gram", "0.2", "Share of characters in the most frequent 2 words in a row.",
                  clean<&S::gopher_repetition, &Repetition::max_top_2_gram>),
      share_limit("max_top_3_gram", "0.18", "The same for 3 words.",
                  clean<&S::gopher_repetition, &Repetition::max_top_3_gram>),
      share_limit("max_top_4_gram", "0.16", "The same for 4 words.",
                  clean<&S::gopher_repetition, &Repetition::max_top_4_gram>),
      share_limit("max_duplicate_5_grams", "0.15", "Share of characters in 5 words in a row that stood before.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_5_grams>),
      share_limit("max_duplicate_6_grams", "0.14", "The same for 6 words.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_6_grams>),
      share_limit("max_duplicate_7_grams", "0.13", "The same for 7 words.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_7_grams>),
      share_limit("max_duplicate_8_grams", "0.12", "The same for 8 words.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_8_grams>),
      share_limit("max_duplicate_9_grams", "0.11", "The same for 9 words.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_9_grams>),
      share_limit("max_duplicate_10_grams", "0.1", "The same for 10 words.",
                  clean<&S::gopher_repetition, &Repetition::max_duplicate_10_grams>),
  };
  for (auto& key : keys) key.address = group + key.address;
  return keys;
}

std::vector<Key> quality_keys() {
  const std::string group = "data.clean.gopher_quality.";
  std::vector<Key> keys = {
      count_limit("min_words", "50", "Words that are not punctuation alone.",
                  clean<&S::gopher_quality, &Quality::min_words>),
      count_limit("max_words", "100000", "The same, at most.", clean<&S::gopher_quality, &Quality::max_words>),
      {.address = "min_mean_word_length",
       .type = Type::number,
       .fallback = "auto",
       .meaning = "Mean length of those words in characters; `auto`: 3, for Korean and Vietnamese 2, none for scripts "
                  "without spaces; 0: off.",
       .bind = clean<&S::gopher_quality, &Quality::min_mean_word_length>,
       .may_be_auto = true,
       .least = 0},
      ratio_limit("max_mean_word_length", "10", "The same, at most.",
                  clean<&S::gopher_quality, &Quality::max_mean_word_length>),
      ratio_limit("max_hash_ratio", "0.1", "`#` signs to words.", clean<&S::gopher_quality, &Quality::max_hash_ratio>),
      ratio_limit("max_ellipsis_ratio", "0.1", "Ellipses to words.",
                  clean<&S::gopher_quality, &Quality::max_ellipsis_ratio>),
      share_limit("max_bullet_lines", "0.9", "Share of lines that begin with a bullet.",
                  clean<&S::gopher_quality, &Quality::max_bullet_lines>),
      share_limit("max_ellipsis_lines", "0.3", "Share of lines that end with an ellipsis.",
                  clean<&S::gopher_quality, &Quality::max_ellipsis_lines>),
      share_limit("min_alphabetic_words", "0.8", "Share of words with a letter.",
                  clean<&S::gopher_quality, &Quality::min_alphabetic_words>),
      count_limit("min_stop_words", "2", "So many different stop words.",
                  clean<&S::gopher_quality, &Quality::min_stop_words>),
      {.address = "stop_words",
       .type = Type::texts,
       .default_note = "Gopher's for English, a list for Korean, no rule for other languages",
       .meaning = "The stop words, for every language.",
       .bind = clean<&S::gopher_quality, &Quality::stop_words>},
  };
  for (auto& key : keys) key.address = group + key.address;
  return keys;
}

std::vector<Key> c4_keys() {
  return {
      yes_or_no("data.clean.c4.terminal_punctuation", "true",
                "Lines that end without . ? ! or a quotation mark go (FineWeb: false).",
                clean<&S::c4, &C4::terminal_punctuation>),
      yes_or_no("data.clean.c4.remove_citations", "true", "`[1]`, `[edit]`, `[citation needed]` go.",
                clean<&S::c4, &C4::remove_citations>),
      yes_or_no("data.clean.c4.lorem_ipsum", "true", "Documents with \"lorem ipsum\" go.",
                clean<&S::c4, &C4::lorem_ipsum>),
      yes_or_no("data.clean.c4.javascript", "true", "Lines with \"javascript\" go.", clean<&S::c4, &C4::javascript>),
      yes_or_no("data.clean.c4.curly_bracket", "true", "Documents with { go.", clean<&S::c4, &C4::curly_bracket>),
      yes_or_no("data.clean.c4.policy", "true", "Lines about cookies, privacy policy, terms of use go.",
                clean<&S::c4, &C4::policy>),
      count_limit("data.clean.c4.min_sentences", "5", "Sentences in the lines that stay.",
                  clean<&S::c4, &C4::min_sentences>),
      count_limit("data.clean.c4.min_words_per_line", "3", "Lines with fewer words go.",
                  clean<&S::c4, &C4::min_words_per_line>),
      count_limit("data.clean.c4.max_word_length", "1000", "Lines with a longer word go.",
                  clean<&S::c4, &C4::max_word_length>),
      number_of("data.clean.c4_paragraphs.min_paragraphs", "3", "mC4: so many long lines.",
                clean<&S::c4_paragraphs, &C4Paragraphs::min_paragraphs>),
      number_of("data.clean.c4_paragraphs.min_paragraph_length", "200", "mC4: characters of a long line.",
                clean<&S::c4_paragraphs, &C4Paragraphs::min_paragraph_length>),
  };
}

std::vector<Key> fineweb_keys() {
  return {
      share_limit("data.clean.fineweb.min_terminal_lines", "0.12", "Share of lines that end with terminal punctuation.",
                  clean<&S::fineweb, &FineWeb::min_terminal_lines>),
      yes_or_no("data.clean.fineweb.terminal_lines_or_none", "false", "A document without any such line passes.",
                clean<&S::fineweb, &FineWeb::terminal_lines_or_none>),
      share_limit("data.clean.fineweb.max_short_lines", "0.67", "Share of short lines.",
                  clean<&S::fineweb, &FineWeb::max_short_lines>),
      number_of("data.clean.fineweb.short_line_length", "30", "A line of at most so many characters is short.",
                clean<&S::fineweb, &FineWeb::short_line_length>),
      share_limit("data.clean.fineweb.max_duplicate_line_characters", "0.01",
                  "Share of characters in lines that stood before.",
                  clean<&S::fineweb, &FineWeb::max_duplicate_line_characters>),
      ratio_limit("data.clean.fineweb.max_newlines_per_word", "0.3", "Line ends to words.",
                  clean<&S::fineweb, &FineWeb::max_newlines_per_word>),
  };
}

}  // namespace

std::vector<Key> clean_keys() {
  return joined({section_keys(), repetition_keys(), quality_keys(), c4_keys(), fineweb_keys()});
}

}  // namespace plumb::config
