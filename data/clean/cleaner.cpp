#include "data/clean/cleaner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "core/error.h"
#include "data/clean/identity.h"
#include "data/clean/language.h"
#include "data/clean/rules.h"
#include "data/source/source.h"
#include "data/text/normalize.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// config::kCleanRules by number.
enum Rule { boilerplate, gopher_repetition, gopher_quality, c4, c4_paragraphs, fineweb, rule_count };
static_assert(std::size(config::kCleanRules) == rule_count);

void check(const config::CleanSection& section) {
  for (const auto& code : section.languages) {
    if (is_language(code)) continue;
    fail_input("data.clean.languages", fmt::format("expected codes of languages, found \"{}\"", code),
               "codes are those of ISO 639-1, such as en, ko, de, zh (simplified), zh-Hant; und is text of no certain "
               "language");
  }
  for (const auto& name : section.rules)
    if (std::find(std::begin(config::kCleanRules), std::end(config::kCleanRules), name) ==
        std::end(config::kCleanRules))
      fail_internal("unknown rule " + name);
  for (const auto* words : {&section.gopher_quality.stop_words, &section.boilerplate.phrases})
    for (const auto& word : *words)
      if (word.empty() || !is_valid_utf8(word))
        fail_input("data.clean", "expected words in UTF-8, found invalid bytes");
}

nlohmann::ordered_json figure(std::optional<double> value) {
  if (!value) return nullptr;
  const bool count = std::trunc(*value) == *value && std::abs(*value) < 0x1p53;
  return count ? nlohmann::ordered_json(static_cast<int64_t>(*value)) : nlohmann::ordered_json(*value);
}

void drop(CleanResult& result, std::string rule, nlohmann::ordered_json found, nlohmann::ordered_json limit,
          CleanCounts& counts) {
  result.kept = false;
  result.rule = std::move(rule), result.found = std::move(found), result.limit = std::move(limit);
  ++counts.dropped[result.rule];
}

}  // namespace

struct Cleaner::State {
  config::CleanSection section;
  bool on[rule_count] = {};
  bool active = false;
  UnicodeSegmenter segmenter;

  void tidy(std::string& text, CleanCounts& counts, bool keep_form_feeds) const {
    if (text.size() > INT32_MAX)
      fail_input("", fmt::format("expected a document of less than 2 GiB, found one of {} bytes", text.size()),
                 "cut it into several documents");
    if (section.repair)
      repair(text, counts.repairs, keep_form_feeds);
    else if (!is_valid_utf8(text))
      text = repair_utf8(text, &counts.repairs["invalid_utf8"]);
    if (section.normalize == "nfc" && to_nfc(text)) ++counts.repairs["nfc"];
    if (section.normalize == "nfkc" && to_nfkc(text)) ++counts.repairs["nfkc"];
  }

  // `judged` is made anew after the text has changed.
  Failed judge(Rule rule, std::string& text, std::optional<Judged>& judged, const LanguageTraits& traits,
               const Segmenter& segmenter, CleanCounts& counts) const {
    thread_local std::string kept;
    if (rule == boilerplate) {
      if (!remove_boilerplate(section.boilerplate, text, kept, counts.lines_removed)) return nullptr;
      text.swap(kept);
      judged.reset();
      return nullptr;
    }
    if (!judged) judged.emplace(text, segmenter);
    switch (rule) {
      case gopher_repetition:
        return judge_gopher_repetition(section.gopher_repetition, *judged);
      case gopher_quality:
        return judge_gopher_quality(section.gopher_quality, traits, *judged);
      case c4_paragraphs:
        return judge_c4_paragraphs(section.c4_paragraphs, *judged);
      case fineweb:
        return judge_fineweb(section.fineweb, *judged);
      default:
        break;
    }
    if (const Failed failed = judge_c4(section.c4, traits, *judged, kept, counts.lines_removed)) return failed;
    if (kept == text) return nullptr;
    text.swap(kept);
    judged.reset();
    return nullptr;
  }

  void judge_language(CleanResult& result, CleanCounts& counts) const {
    if (section.languages.empty()) return;
    const auto& wanted = section.languages;
    if (std::find(wanted.begin(), wanted.end(), result.language) == wanted.end()) {
      return drop(result, "languages", result.language, nullptr, counts);
    }
    // Text of no certain language has no score to be judged by.
    if (result.language == "und" || result.language_score >= static_cast<float>(section.language_score)) return;
    const double score = std::round(static_cast<double>(result.language_score) * 100) / 100;  // whole per cent
    drop(result, "language_score", figure(score), figure(section.language_score), counts);
  }
};

Cleaner::Cleaner(const config::CleanSection& section) : state_(std::make_unique<State>()) {
  check(section);
  state_->section = section;
  for (size_t i = 0; i < rule_count; ++i)
    state_->on[i] =
        std::find(section.rules.begin(), section.rules.end(), config::kCleanRules[i]) != section.rules.end();
  state_->active =
      section.normalize != "none" || section.repair || !section.languages.empty() || !section.rules.empty();
}

Cleaner::~Cleaner() = default;

bool Cleaner::active() const { return state_->active; }

nlohmann::ordered_json Cleaner::identity() const { return clean_identity(state_->section); }

CleanResult Cleaner::judge(std::string& text, const std::string& language, const Segmenter& segmenter,
                           CleanCounts& counts) const {
  CleanResult result;
  result.language = language;
  const LanguageTraits traits = language_traits(language);
  std::optional<Judged> judged;
  for (size_t i = 0; i < rule_count && result.kept; ++i) {
    if (!state_->on[i]) continue;
    const Failed failed = state_->judge(static_cast<Rule>(i), text, judged, traits, segmenter, counts);
    if (!failed) continue;
    drop(result, fmt::format("{}.{}", config::kCleanRules[i], failed.key), figure(failed.found), figure(failed.limit),
         counts);
  }
  return result;
}

CleanResult Cleaner::clean(std::string& text, CleanCounts& counts) const {
  if (!state_->active) return {};
  state_->tidy(text, counts, state_->on[boilerplate]);
  const DetectedLanguage detected = detect_language(text);
  ++counts.languages[detected.code];
  CleanResult result{true, "", detected.code, detected.score};
  if (blank(text)) return result;  // in no language, and nothing for a rule: the build counts it as empty
  state_->judge_language(result, counts);
  if (!result.kept) return result;
  result = judge(text, detected.code, state_->segmenter, counts);
  result.language_score = detected.score;
  return result;
}

void Cleaner::normalize(std::string& text, CleanCounts& counts) const {
  if (state_->active) state_->tidy(text, counts, false);
}

}  // namespace plumb::data
