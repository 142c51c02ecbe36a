#include "data/clean/identity.h"

#include <algorithm>
#include <optional>

#include "data/clean/language.h"
#include "data/text/characters.h"

namespace plumb::data {
namespace {

using nlohmann::ordered_json;

// To be raised with any change of a rule, a built-in list or the repair that changes what comes out.
constexpr int kRevision = 2;

template <class T>
ordered_json value(const std::optional<T>& limit) {
  return limit ? ordered_json(*limit) : ordered_json(nullptr);
}

ordered_json describe(const config::GopherQuality& q) {
  return {{"min_words", value(q.min_words)},
          {"max_words", value(q.max_words)},
          {"min_mean_word_length", q.min_mean_word_length ? ordered_json(*q.min_mean_word_length) : "by language"},
          {"max_mean_word_length", value(q.max_mean_word_length)},
          {"max_hash_ratio", value(q.max_hash_ratio)},
          {"max_ellipsis_ratio", value(q.max_ellipsis_ratio)},
          {"max_bullet_lines", value(q.max_bullet_lines)},
          {"max_ellipsis_lines", value(q.max_ellipsis_lines)},
          {"min_alphabetic_words", value(q.min_alphabetic_words)},
          {"min_stop_words", value(q.min_stop_words)},
          {"stop_words", q.stop_words.empty() ? ordered_json("by language") : ordered_json(q.stop_words)}};
}

ordered_json describe(const config::GopherRepetition& r) {
  return {{"max_duplicate_lines", value(r.max_duplicate_lines)},
          {"max_duplicate_paragraphs", value(r.max_duplicate_paragraphs)},
          {"max_duplicate_line_characters", value(r.max_duplicate_line_characters)},
          {"max_duplicate_paragraph_characters", value(r.max_duplicate_paragraph_characters)},
          {"max_top_2_gram", value(r.max_top_2_gram)},
          {"max_top_3_gram", value(r.max_top_3_gram)},
          {"max_top_4_gram", value(r.max_top_4_gram)},
          {"max_duplicate_5_grams", value(r.max_duplicate_5_grams)},
          {"max_duplicate_6_grams", value(r.max_duplicate_6_grams)},
          {"max_duplicate_7_grams", value(r.max_duplicate_7_grams)},
          {"max_duplicate_8_grams", value(r.max_duplicate_8_grams)},
          {"max_duplicate_9_grams", value(r.max_duplicate_9_grams)},
          {"max_duplicate_10_grams", value(r.max_duplicate_10_grams)}};
}

ordered_json describe(const config::C4& c) {
  return {{"terminal_punctuation", c.terminal_punctuation},
          {"remove_citations", c.remove_citations},
          {"lorem_ipsum", c.lorem_ipsum},
          {"javascript", c.javascript},
          {"curly_bracket", c.curly_bracket},
          {"policy", c.policy},
          {"min_sentences", value(c.min_sentences)},
          {"min_words_per_line", value(c.min_words_per_line)},
          {"max_word_length", value(c.max_word_length)}};
}

ordered_json describe(const config::C4Paragraphs& c) {
  return {{"min_paragraphs", c.min_paragraphs}, {"min_paragraph_length", c.min_paragraph_length}};
}

ordered_json describe(const config::FineWeb& f) {
  return {{"min_terminal_lines", value(f.min_terminal_lines)},
          {"terminal_lines_or_none", f.terminal_lines_or_none},
          {"max_short_lines", value(f.max_short_lines)},
          {"short_line_length", f.short_line_length},
          {"max_duplicate_line_characters", value(f.max_duplicate_line_characters)},
          {"max_newlines_per_word", value(f.max_newlines_per_word)}};
}

ordered_json describe(const config::Boilerplate& b) {
  return {{"max_line_length", b.max_line_length}, {"min_pages", value(b.min_pages)}, {"phrases", b.phrases}};
}

}  // namespace

ordered_json clean_identity(const config::CleanSection& section) {
  const bool active =
      section.normalize != "none" || section.repair || !section.languages.empty() || !section.rules.empty();
  if (!active) return ordered_json::object();
  ordered_json all = {{"revision", kRevision},
                      {"icu", icu_version()},
                      {"language_detector", language_detector()},
                      {"normalize", section.normalize},
                      {"repair", section.repair}};
  if (!section.languages.empty()) {
    auto languages = section.languages;
    std::sort(languages.begin(), languages.end());
    all["languages"] = languages;
    all["language_score"] = section.language_score;
  }
  const auto add = [&](const char* name, const auto& settings) {
    if (std::find(section.rules.begin(), section.rules.end(), name) != section.rules.end())
      all[name] = describe(settings);
  };
  add("boilerplate", section.boilerplate);
  add("gopher_repetition", section.gopher_repetition);
  add("gopher_quality", section.gopher_quality);
  add("c4", section.c4);
  add("c4_paragraphs", section.c4_paragraphs);
  add("fineweb", section.fineweb);
  return all;
}

}  // namespace plumb::data
