// The published rules, one function each, with the decisions of datatrove 0.10 given the same words and sentences.
// Lengths are in characters.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/clean.h"
#include "data/clean/language.h"
#include "data/clean/segmenter.h"

namespace plumb::data {

// A text under judgement; its words are found when the first rule asks.
class Judged {
 public:
  Judged(std::string_view text, const Segmenter& segmenter);
  std::string_view text() const { return text_; }
  size_t length() const { return length_; }
  bool is_ascii() const { return length_ == text_.size(); }
  const std::vector<TextSpan>& words();
  std::string_view word(const TextSpan& span) const { return text_.substr(span.begin, span.end - span.begin); }
  size_t length(std::string_view part) const;
  const Segmenter& segmenter() const { return segmenter_; }

 private:
  std::string_view text_;
  const Segmenter& segmenter_;
  size_t length_;
  bool divided_ = false;
  std::vector<TextSpan>& words_;  // this thread's, so that documents do not allocate
};

// What a rule answers with: the key of the threshold that a text failed ("min_words"), what was measured and where the
// threshold lies, as far as these are figures. No key: the text stays.
struct Failed {
  const char* key = nullptr;
  std::optional<double> found = {}, limit = {};

  Failed(const char* failed = nullptr) : key(failed) {}
  template <class Found, class Limit>
  Failed(const char* failed, Found measured, const std::optional<Limit>& threshold)
      : key(failed), found(static_cast<double>(measured)) {
    if (threshold) limit = static_cast<double>(*threshold);
  }
  explicit operator bool() const { return key != nullptr; }
};

using LineCounts = std::map<std::string, int64_t>;  // lines removed, by "rule.reason"

Failed judge_gopher_quality(const config::GopherQuality&, const LanguageTraits&, Judged&);
Failed judge_gopher_repetition(const config::GopherRepetition&, Judged&);
Failed judge_fineweb(const config::FineWeb&, Judged&);
Failed judge_c4_paragraphs(const config::C4Paragraphs&, Judged&);

// These write the lines they keep to `kept`.
Failed judge_c4(const config::C4&, const LanguageTraits&, Judged&, std::string& kept, LineCounts&);
// False when every line stays; page breaks of `text` become line ends in `kept`.
bool remove_boilerplate(const config::Boilerplate&, std::string_view text, std::string& kept, LineCounts&);

// Elements that were there before, and their characters.
struct Duplicates {
  size_t elements = 0, characters = 0;
};
Duplicates find_duplicates(const std::vector<std::string_view>&, const Judged&);

}  // namespace plumb::data
