// Words, sentences, normal forms and repair.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/text/characters.h"
#include "data/text/normalize.h"
#include "data/text/segment.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> pieces(std::string_view text, const std::vector<TextSpan>& spans) {
  std::vector<std::string> all;
  for (const auto& span : spans) all.emplace_back(text.substr(span.begin, span.end - span.begin));
  return all;
}

std::vector<TextSpan> word_spans_of(std::string_view text) {
  std::vector<TextSpan> spans;
  word_spans(text, spans);
  return spans;
}

std::vector<TextSpan> sentence_spans_of(std::string_view text) {
  std::vector<TextSpan> spans;
  sentence_spans(text, spans);
  return spans;
}

std::vector<std::string> words(std::string_view text) { return pieces(text, word_spans_of(text)); }
std::vector<std::string> sentences(std::string_view text) { return pieces(text, sentence_spans_of(text)); }

// ICU's word iterator departs from UAX 29 in three things: Hangul syllables and letters of other scripts are two words,
// a colon within letters parts them, an at sign does not. Other characters of the same classes show the annex's rule.
uint32_t without_tailoring(uint32_t c) {
  if (c >= 0xAC00 && c <= 0xD7A3) return 0x13A0;                      // ALetter
  if (c == ':' || c == 0xFE55 || c == 0xFF1A) return 0xB7;            // MidLetter
  return c == '@' || c == 0xFE6B || c == 0xFF20 ? uint32_t{'#'} : c;  // Other
}

// The same by ICU's own iterators, without the white space around sentences and before words.
std::vector<TextSpan> by_icu(std::string_view text, UBreakIteratorType type) {
  std::string shown;
  std::vector<uint32_t> place;  // of each byte of `shown` in `text`
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    append_utf8(type == UBRK_WORD ? without_tailoring(c.value) : c.value, shown);
    place.resize(shown.size(), static_cast<uint32_t>(at));
    at += c.size;
  }
  place.push_back(static_cast<uint32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  UBreakIterator* breaks = ubrk_open(type, "", nullptr, 0, &status);
  UText* opened = utext_openUTF8(nullptr, shown.data(), static_cast<int64_t>(shown.size()), &status);
  ubrk_setUText(breaks, opened, &status);
  EXPECT_TRUE(U_SUCCESS(status));
  std::vector<TextSpan> all;
  int32_t begin = ubrk_first(breaks);
  for (int32_t end = ubrk_next(breaks); end != UBRK_DONE; begin = end, end = ubrk_next(breaks)) {
    const uint32_t from = place[static_cast<size_t>(begin)], to = place[static_cast<size_t>(end)];
    std::string_view piece = strip_left(text.substr(from, to - from));
    if (type == UBRK_SENTENCE) piece = strip(piece);
    const auto first = static_cast<uint32_t>(piece.data() - text.data());
    if (!piece.empty()) all.push_back({first, static_cast<uint32_t>(first + piece.size())});
  }
  utext_close(opened);
  ubrk_close(breaks);
  return all;
}

TEST(Words, AsciiAndMarks) {
  EXPECT_THAT(words("It's 3.14, isn't it?  e.g. snake_case-x"),
              ElementsAre("It's", "3.14", ",", "isn't", "it", "?", "e.g", ".", "snake_case", "-", "x"));
  EXPECT_THAT(words("1,000.5 a.b 1.a a:b \"q\""), ElementsAre("1,000.5", "a.b", "1", ".", "a", "a:b", "\"", "q", "\""));
  EXPECT_THAT(words(" \t\r\n\v\x1c\u00a0\u2028\u3000"), IsEmpty());
  EXPECT_THAT(words(""), IsEmpty());
}

TEST(Words, KoreanEmojiAndCombining) {
  EXPECT_THAT(words("나는 밥을 먹었다."), ElementsAre("나는", "밥을", "먹었다", "."));
  EXPECT_THAT(words("a\u0301b \U0001F1F0\U0001F1F7\U0001F1FA\U0001F1F8 \U0001F468\u200D\U0001F469\u200D\U0001F467!"),
              ElementsAre("a\u0301b", "\U0001F1F0\U0001F1F7", "\U0001F1FA\U0001F1F8",
                          "\U0001F468\u200D\U0001F469\u200D\U0001F467", "!"));
  EXPECT_THAT(words("중국은 中國 입니다"), ElementsAre("중국은", "中國", "입니다"));
  EXPECT_THAT(words("ภาษาไทย"), ElementsAre("ภาษา", "ไทย"));
}

TEST(Sentences, Rules) {
  EXPECT_THAT(sentences("Hello there.  How are you?! \"Fine.\" (Yes.) E.g. this one.\nNext line"),
              ElementsAre("Hello there.", "How are you?!", "\"Fine.\"", "(Yes.)", "E.g. this one.", "Next line"));
  EXPECT_THAT(sentences("It costs 3.50 now. U.S.A. wins... and more. 안녕하세요. 반갑습니다!"),
              ElementsAre("It costs 3.50 now.", "U.S.A. wins... and more.", "안녕하세요.", "반갑습니다!"));
  EXPECT_THAT(sentences(" \n\n "), IsEmpty());
  EXPECT_THAT(sentences("你好。再见。"), ElementsAre("你好。", "再见。"));
}

// Random strings of characters from every class, and of characters at random.
std::vector<std::string> random_texts(int count, bool dictionaries) {
  std::mt19937_64 random(20261);
  const std::vector<uint32_t> chosen = {
      'a',    'b',    'Z',     '0',     '9',     '_',    ' ',    ' ',     '.',    ',',   ':',    ';',
      '\'',   '"',    '!',     '?',     ')',     '(',    '\n',   '\r',    '\t',   '-',   0xAD,   0x200D,
      0x301,  0x5D0,  0x5D1,   0x5F4,   0xAC00,  0xD55C, 0x1100, 0x1161,  0x2019, 0xB7,  0x2028, 0x85,
      0xA0,   0x2003, 0x1F1E6, 0x1F1E7, 0x1F600, 0x2764, 0xFE0F, 0x1F3FB, 0x660,  0x66C, 0x3002, 0xFF01,
      0x201D, 0x17F,  0x24B6,  0x200B,  0x180E,  0xFEFF, 0x61C,  0xE0041};
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    std::string text;
    const auto length = 1 + random() % 24;
    for (size_t k = 0; k < length; ++k) {
      uint32_t c = chosen[random() % chosen.size()];
      if (random() % 6 == 0) c = static_cast<uint32_t>(random() % (random() % 2 ? 0x3000 : 0x20000));
      if ((c >= 0xD800 && c <= 0xDFFF) || c == 0x16FF0 || c == 0x16FF1) continue;  // marks that ICU counts as Han
      if (!dictionaries &&
          (characters()[c].word == WordClass::dictionary || (characters()[c].flags & kIsComplexContext)))
        continue;
      append_utf8(c, text);
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(Words, SameAsIcuOnRandomTexts) {
  for (const auto& text : random_texts(200000, false))
    ASSERT_EQ(word_spans_of(text), by_icu(text, UBRK_WORD)) << testing::PrintToString(text);
}

TEST(Sentences, SameAsIcuOnRandomTexts) {
  for (const auto& text : random_texts(200000, true))
    ASSERT_EQ(sentence_spans_of(text), by_icu(text, UBRK_SENTENCE)) << testing::PrintToString(text);
}

TEST(Words, DictionaryRunsNeitherLoseNorAddText) {
  for (const auto& text : random_texts(20000, true)) {
    std::vector<TextSpan> spans;
    word_spans(text, spans);
    uint32_t at = 0;
    for (const auto& span : spans) {
      ASSERT_TRUE(strip(std::string_view(text).substr(at, span.begin - at)).empty()) << testing::PrintToString(text);
      ASSERT_LT(span.begin, span.end);
      ASSERT_TRUE(is_valid_utf8(std::string_view(text).substr(span.begin, span.end - span.begin)));
      at = span.end;
    }
    ASSERT_TRUE(strip(std::string_view(text).substr(at)).empty());
  }
}

// Where a mark of Thai or Lao follows a Latin letter, ICU's dictionaries take it from that letter's word.
std::string without_complex_scripts(const std::string& text) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    append_utf8(characters()[c.value].flags & kIsComplexContext ? uint32_t{' '} : c.value, kept);
    at += c.size;
  }
  return kept;
}

TEST(Segments, SameAsIcuOnSharedTexts) {
  const char* source_dir = std::getenv("TEST_SOURCE_DIR");
  const auto folder = std::filesystem::path(source_dir ? source_dir : ".") / "../shared/data";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "needs ../shared/data beside the source folder";
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::string text = core::read_text(entry.path());
    text = without_complex_scripts(repair_utf8(text));
    EXPECT_TRUE(sentence_spans_of(text) == by_icu(text, UBRK_SENTENCE)) << entry.path();
    const auto ours = word_spans_of(text), theirs = by_icu(text, UBRK_WORD);
    const auto apart = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    EXPECT_TRUE(apart.first == ours.end() && apart.second == theirs.end())
        << entry.path() << " at "
        << text.substr(apart.first == ours.end() ? text.size() : std::max(10u, apart.first->begin) - 10, 40);
    ++files;
  }
  EXPECT_GT(files, 5);
}

}  // namespace
}  // namespace plumb::data
