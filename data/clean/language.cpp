#include "data/clean/language.h"

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

#include <algorithm>
#include <set>

#include "data/text/characters.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

constexpr size_t kMostBytes = 64 << 10;

std::string code_of(CLD2::Language language) {
  const std::string code = CLD2::LanguageCode(language);
  if (code == "iw") return "he";  // withdrawn codes of ISO 639
  if (code == "jw") return "jv";
  return code;
}

// cld2 refuses a text as a whole when it holds controls or noncharacters.
std::string interchangeable(std::string_view text) {
  std::string made;
  made.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    const bool control = (c.value < 0x20 && c.value != '\n' && c.value != '\t') || (c.value >= 0x7F && c.value < 0xA0);
    const bool noncharacter = (c.value >= 0xFDD0 && c.value <= 0xFDEF) || (c.value & 0xFFFE) == 0xFFFE;
    if (control || noncharacter)
      made += ' ';
    else
      made.append(text, at, c.size);
    at += c.size;
  }
  return made;
}

struct Answer {
  DetectedLanguage language;
  bool accepted = false;  // the bytes were
};

Answer ask(std::string_view text) {
  CLD2::Language languages[3] = {CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE};
  int percent[3] = {}, letters = 0, valid = 0;
  double normalized[3] = {};
  bool reliable = false;
  const CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  const int size = static_cast<int>(text.size());
  CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), size, true, &hints, 0, languages, percent, normalized, nullptr,
                                          &letters, &reliable, &valid);
  if (!reliable || languages[0] == CLD2::UNKNOWN_LANGUAGE) return {{"und", 0}, valid == size};
  return {{code_of(languages[0]), static_cast<float>(percent[0]) / 100}, valid == size};
}

}  // namespace

DetectedLanguage detect_language(std::string_view text) {
  if (text.size() > kMostBytes) {
    size_t end = kMostBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  Answer answer = ask(text);
  if (!answer.accepted) answer = ask(interchangeable(text));
  return answer.language;
}

std::vector<std::string> language_codes() {
  std::set<std::string> codes = {"und"};
  for (int i = 0; i < CLD2::NUM_LANGUAGES; ++i) {
    const auto language = static_cast<CLD2::Language>(i);
    const std::string code = code_of(language);
    if (language != CLD2::UNKNOWN_LANGUAGE && !code.empty() && code != "un" && code != "xxx") codes.insert(code);
  }
  return {codes.begin(), codes.end()};
}

bool is_language(const std::string& code) {
  static const std::vector<std::string> codes = language_codes();
  return std::binary_search(codes.begin(), codes.end(), code);
}

std::string language_detector() { return std::string("cld2 ") + CLD2::DetectLanguageVersion(); }

const std::vector<std::string>& english_stop_words() {
  static const std::vector<std::string> words = {"the", "be", "to", "of", "and", "that", "have", "with"};
  return words;
}

// Words of grammar as they stand between spaces, of written and of spoken style.
const std::vector<std::string>& korean_stop_words() {
  static const std::vector<std::string> words = {
      "이",       "그",   "저",   "것",   "수",     "때",     "등",     "및",     "또",     "더",   "잘",
      "안",       "한",   "할",   "하는", "하고",   "해서",   "된",     "되는",   "있는",   "있다", "있어요",
      "있습니다", "없는", "없다", "같은", "같아요", "위해",   "위한",   "대한",   "대해",   "통해", "따라",
      "때문에",   "경우", "것이", "것은", "것을",   "것이다", "것도",   "나는",   "내가",   "제가", "저는",
      "우리",     "너무", "정말", "왜",   "그리고", "또는",   "하지만", "그런",   "이런",   "어떤", "다른",
      "모든",     "많은", "많이", "가장", "다시",   "지금",   "함께",   "합니다", "입니다", "이다", "좀",
      "게",       "거",   "건",   "뭐",   "다",     "후",     "중",     "그래서", "그러나"};
  return words;
}

LanguageTraits language_traits(const std::string& code) {
  static const std::set<std::string> without_spaces = {"zh", "zh-Hant", "ja", "th", "lo", "km", "my", "bo", "dz"};
  static const std::vector<std::string> every = [] {
    auto words = english_stop_words();
    words.insert(words.end(), korean_stop_words().begin(), korean_stop_words().end());
    return words;
  }();
  LanguageTraits traits;
  if (without_spaces.contains(code)) {
    traits.min_mean_word_length = 0;
    traits.spaces = false;
  } else if (code == "en") {
    traits.latin_end_marks = true;
    traits.stop_words = &english_stop_words();
  } else if (code == "ko") {
    traits.min_mean_word_length = 2;  // a syllable block holds two or three letters
    traits.stop_words = &korean_stop_words();
  } else if (code == "vi") {
    traits.min_mean_word_length = 2;  // syllables stand apart
  } else if (code == "und") {
    traits.latin_end_marks = true;
    traits.stop_words = &every;  // what is no language has none of them
  }
  return traits;
}

}  // namespace plumb::data
