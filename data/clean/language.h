// Which language a text is in (Compact Language Detector 2), and what a rule made for English must know about it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

struct DetectedLanguage {
  std::string code;  // ISO 639-1 where there is one: "en", "ko", "zh" (simplified), "zh-Hant"; "und": not certain
  float score = 0;   // share of the letters (by bytes) that are in it; 0 for "und"
};

// Of valid UTF-8; looks at the first 64 KiB. Thread-safe.
DetectedLanguage detect_language(std::string_view text);

bool is_language(const std::string& code);  // one that detect_language can answer
std::vector<std::string> language_codes();  // sorted, "und" among them
std::string language_detector();            // name and table, for identity()

struct LanguageTraits {
  double min_mean_word_length = 3;                       // 0: the rule says nothing about this language
  bool spaces = true;                                    // between words
  bool latin_end_marks = false;                          // C4's own: . ? ! " '
  const std::vector<std::string>* stop_words = nullptr;  // nullptr: none known, the rule is passed over
};
LanguageTraits language_traits(const std::string& code);
const std::vector<std::string>& english_stop_words();  // Gopher's
const std::vector<std::string>& korean_stop_words();

}  // namespace plumb::data
