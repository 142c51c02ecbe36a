// Repair, normal forms, languages, rules and what is counted.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/error.h"
#include "data/clean/cleaner.h"
#include "data/clean/language.h"
#include "data/text/normalize.h"
#include "data/tokenizer/unicode.h"
#include "tests/data/data_files.h"

namespace plumb::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

struct Repaired {
  std::string text;
  RepairCounts counts;
};
Repaired repaired(std::string text, bool keep_form_feeds = false) {
  Repaired made;
  repair(text, made.counts, keep_form_feeds);
  made.text = text;
  return made;
}

void expect_same(const std::string& text) {
  const auto made = repaired(text);
  EXPECT_EQ(made.text, text);
  EXPECT_THAT(made.counts, IsEmpty()) << text;
}

TEST(Repair, LeavesCleanTextAlone) {
  expect_same("");
  expect_same("Plain ASCII,\twith a tab.\n\nAnd a paragraph.\n");
  expect_same("나는 밥을 먹었다. 「그렇다」 — “yes” … \U0001F468\u200D\U0001F469\u200D\U0001F467");
  expect_same("می\u200cخواهم");                                  // Persian needs its joiners
  expect_same("ภาษา\u200bไทย");                                  // Thai its breaks
  expect_same("abc \u202bשלום\u202c def");                       // Hebrew its marks
  expect_same("\U0001F3F4\U000E0067\U000E0062\U000E007F flag");  // the flag of a region
}

TEST(Repair, EachKindIsCounted) {
  const auto one = [](const std::string& text, const std::string& kind, int64_t count, const std::string& want) {
    const auto made = repaired(text);
    EXPECT_EQ(made.text, want) << kind;
    EXPECT_THAT(made.counts, ElementsAre(Pair(kind, count)));
  };
  one("a\xFF\xC3(b", "invalid_utf8", 2, "a\uFFFD\uFFFD(b");
  one("a\r\nb\rc\vd\fe\u2028f\u2029g\u0085h", "line_ends", 7, "a\nb\nc\nd\ne\nf\ng\nh");
  one("a\x01\x7F"
      "b\uFFFE\U0001FFFF\uFDD0\U000E0041c",
      "controls", 6, "abc");
  one(std::string("a\0b", 3), "controls", 1, "ab");
  one("caf\u0092s \u0093x\u0094 \u0085", "c1_controls", 4, "caf’s “x” …");
  one("\uFEFFx", "byte_order_mark", 1, "x");
  one("a\u200Bb\u00ADc\uFEFFd\u2060e\u200Df", "zero_width", 5, "abcdef");
  one("a\u202Eb\u200Fc\u2066d", "bidi_controls", 3, "abcd");
  one("a\u00A0b\u202Fc", "spaces", 2, "a b c");
  one("a\n\n\n\nb\n \n\t\n c\n\n d\n\n\n", "blank_lines", 4, "a\n\nb\n\n c\n\n d\n\n");
}

TEST(Repair, PageBreaksCanStay) {
  EXPECT_EQ(repaired("a\fb", true).text, "a\fb");
  EXPECT_EQ(repaired("a\fb", false).text, "a\nb");
}

TEST(Repair, MojibakeWhereCertain) {
  const auto mended = [](const std::string& text) {
    const auto made = repaired(text);
    EXPECT_THAT(made.counts, ElementsAre(Pair("mojibake", 1))) << text;
    return made.text;
  };
  EXPECT_EQ(mended("caf\u00C3\u00A9 cr\u00C3\u00A8me"), "café crème");
  EXPECT_EQ(mended("itâ€™s"), "it’s");
  EXPECT_EQ(mended("it\u00E2\u0080\u0099s"), "it’s");  // read as Latin-1
  EXPECT_EQ(mended("5\u00C2\u00B0C"), "5°C");
  EXPECT_EQ(mended("ì•ˆë…•í•˜ì„¸ìš”"), "안녕하세요");
  EXPECT_EQ(mended("Ð¿Ñ€Ð¸Ð²ÐµÑ‚"), "привет");
  EXPECT_EQ(mended("\u00F0\u0178\u02DC\u20AC"), "\U0001F600");
  EXPECT_EQ(mended("caf\u00C3\u0192\u00C2\u00A9"), "café");  // twice through it
}

TEST(Repair, HonestTextIsNoMojibake) {
  for (const char* text :
       {"café crème", "VIVE LA LIBERTÉ»", "«LIBERTÉ»", "IRMÃ”", "naïve façade — “quoted”", "5 °C ± 0.1 µm", "Ünïcödé",
        "ÅÄÖ åäö", "a € b", "É», dit-il", "São Paulo, NÃO", "안녕 café", "Ã", "x² + y³ ≠ ½"})
    expect_same(text);
}

// Whatever comes in, valid UTF-8 without controls comes out.
TEST(Repair, AnyBytes) {
  std::mt19937_64 random(5);
  const std::vector<std::string> pieces = {
      "a",      " ",      "\n",       "\r",       "\r\n",         "\t",         "\f",         "\u00A0",
      "\u200B", "\u200D", "\u202E",   "\uFEFF",   "\u0085",       "\u0092",     "é",          "Ã",
      "©",      "â",      "€",        "™",        "한",           "ש",          "ไ",          "\U0001F600",
      "\xFF",   "\xC3",   "\xE2\x80", "\xF0\x9F", "\xED\xA0\x80", "\U000E0041", "\U0001F3F4", "\xAD"};
  for (int i = 0; i < 30000; ++i) {
    std::string text;
    for (size_t k = random() % 20; k > 0; --k) text += pieces[random() % pieces.size()];
    RepairCounts counts;
    std::string once = text;
    repair(once, counts);
    ASSERT_TRUE(is_valid_utf8(once)) << testing::PrintToString(text);
    ASSERT_EQ(once.find_first_of("\r\f\v\x7F"), std::string::npos) << testing::PrintToString(text);
    ASSERT_EQ(once.find("\n\n\n"), std::string::npos) << testing::PrintToString(text);
    ASSERT_LE(once.size(), text.size() * 3);
  }
}

TEST(NormalForms, Applied) {
  std::string text = "e\u0301 \u1112\u1161\u11AB \uFB01 \u2460";
  EXPECT_TRUE(to_nfc(text));
  EXPECT_EQ(text, "é 한 \uFB01 \u2460");
  EXPECT_FALSE(to_nfc(text));
  EXPECT_TRUE(to_nfkc(text));
  EXPECT_EQ(text, "é 한 fi 1");
  EXPECT_EQ(nfd_without_marks("Ünïcödé naïve 한"), "Unicode naive \u1112\u1161\u11AB");
}

config::CleanSection section(std::vector<std::string> rules) {
  config::CleanSection made;
  made.rules = std::move(rules);
  return made;
}

const std::string english =
    "The committee met in the old library and decided that the bridge would be repaired before winter. Nobody had "
    "expected this, but the engineers explained that every season made the damage worse. They have a plan with three "
    "steps, and the first of them begins in April. People who live near the river were glad to hear of it. The council "
    "will pay for most of the work.";
const std::string korean =
    "위원회는 오래된 도서관에 모여 겨울이 오기 전에 다리를 고치기로 결정했다. 아무도 이것을 예상하지 못했지만 "
    "기술자들은 해마다 "
    "상태가 나빠진다고 설명했다. 그들은 세 단계로 된 계획을 가지고 있으며 첫 단계는 사월에 시작한다. 강 가까이에 사는 "
    "사람들은 "
    "소식을 듣고 기뻐했다. 대부분의 비용은 의회가 낼 것이다. 그리고 다른 모든 마을도 같은 방법을 따를 수 있다. 우리 "
    "모두 그 결과를 "
    "기다리고 있다. 이 다리는 백 년 전에 지어졌고 지금 다시 태어난다. 많은 사람이 함께 일해야 한다. 때문에 시간이 "
    "걸린다.";

TEST(Languages, DetectedWithShare) {
  EXPECT_EQ(detect_language(english).code, "en");
  EXPECT_GT(detect_language(english).score, 0.9);
  EXPECT_EQ(detect_language(korean).code, "ko");
  EXPECT_EQ(detect_language("Der Ausschuss traf sich in der alten Bibliothek und beschloss die Reparatur.").code, "de");
  EXPECT_EQ(detect_language("委员会在旧图书馆开会，决定在冬天之前修理这座桥。").code, "zh");
  EXPECT_EQ(detect_language("").code, "und");
  EXPECT_EQ(detect_language("1234 5678 ---").code, "und");
  EXPECT_EQ(detect_language("\x01\x02 " + english + "\uFFFE").code, "en");  // controls do not hide it
  const auto mixed = detect_language(english + korean);
  EXPECT_LT(mixed.score, 0.9);
  EXPECT_TRUE(is_language("he") && is_language("zh-Hant") && is_language("und"));
  EXPECT_FALSE(is_language("english") || is_language("iw") || is_language(""));
}

TEST(Cleaner, OffByDefault) {
  const Cleaner cleaner{config::CleanSection()};
  EXPECT_FALSE(cleaner.active());
  CleanCounts counts;
  std::string text = "a\r\nb";
  EXPECT_TRUE(cleaner.clean(text, counts).kept);
  EXPECT_EQ(text, "a\r\nb");
  EXPECT_EQ(counts, CleanCounts());
  EXPECT_EQ(cleaner.identity().dump(), "{}");
}

TEST(Cleaner, KoreanIsNotDroppedForEnglishReasons) {
  const Cleaner cleaner(section({"gopher_repetition", "gopher_quality", "c4", "fineweb"}));
  CleanCounts counts;
  std::string text = korean;
  const auto result = cleaner.clean(text, counts);
  EXPECT_TRUE(result.kept) << result.rule;
  EXPECT_EQ(result.language, "ko");
  // English stop words would drop it, and those of nobody do drop what is no text.
  CleanCounts others;
  auto options = section({"gopher_quality"});
  options.gopher_quality.stop_words = {"the", "be", "to"};
  std::string again = korean;
  EXPECT_EQ(Cleaner(options).clean(again, others).rule, "gopher_quality.min_stop_words");
}

TEST(Cleaner, LanguagesAreFilteredAndCounted) {
  auto options = section({});
  options.languages = {"ko"};
  options.language_score = 0.9;
  const Cleaner cleaner(options);
  CleanCounts counts;
  std::string text = english;
  auto result = cleaner.clean(text, counts);
  EXPECT_EQ(result.rule, "languages");
  EXPECT_EQ(result.found, "en");
  EXPECT_TRUE(result.limit.is_null());
  text = korean;
  EXPECT_TRUE(cleaner.clean(text, counts).kept);
  text = korean + english;
  result = cleaner.clean(text, counts);
  EXPECT_EQ(result.rule, "language_score");
  EXPECT_LT(result.found, 0.9);
  EXPECT_EQ(result.limit, 0.9);
  EXPECT_THAT(counts.languages, AllOf(testing::Contains(Pair("en", 1)), testing::Contains(Pair("ko", 2))));
  EXPECT_THAT(counts.dropped, ElementsAre(Pair("language_score", 1), Pair("languages", 1)));
}

TEST(Cleaner, RulesOfDropsAndRemovedLines) {
  auto options = section({"c4", "gopher_quality"});
  CleanCounts counts;
  std::string text = "short one.";
  EXPECT_EQ(Cleaner(options).clean(text, counts).rule, "gopher_quality.min_words");
  text = english + "\nEnable javascript to see this.\nHome\nAbout [1] us.\nThis page uses cookies for you.\n" + english;
  EXPECT_TRUE(Cleaner(options).clean(text, counts).kept);
  EXPECT_EQ(text, english + "\nAbout  us.\n" + english);
  EXPECT_THAT(counts.lines_removed,
              ElementsAre(Pair("c4.javascript", 1), Pair("c4.policy", 1), Pair("c4.terminal_punctuation", 1)));
}

TEST(Cleaner, WhatWasMeasuredStandsBesideTheRule) {
  const auto said = [](const config::CleanSection& options, std::string text) {
    CleanCounts counts;
    const auto result = Cleaner(options).clean(text, counts);
    return fmt::format("{} {} {}", result.rule, result.found.dump(), result.limit.dump());
  };
  EXPECT_EQ(said(section({"gopher_quality"}), "Three words, here."), "gopher_quality.min_words 3 50");
  EXPECT_EQ(said(section({"gopher_quality"}), english + std::string(60, '#')).substr(0, 29),
            "gopher_quality.max_hash_ratio");
  EXPECT_EQ(said(section({"gopher_repetition"}), "one line\none line\nanother\nand one"),
            "gopher_repetition.max_duplicate_line_characters 0.24242424242424243 0.2");
  EXPECT_EQ(said(section({"gopher_repetition"}), ""), " null null");  // blank as it came: no rule's
  EXPECT_EQ(said(section({"boilerplate", "gopher_repetition"}), "© 2026 All rights reserved.\n"),
            "gopher_repetition.empty null null");
  EXPECT_EQ(said(section({"c4"}), "Only one of five sentences stands here."), "c4.min_sentences 1 5");
  EXPECT_EQ(said(section({"c4"}), "This is lorem ipsum text."), "c4.lorem_ipsum null null");
  EXPECT_EQ(said(section({"c4_paragraphs"}), english + "\n" + english), "c4_paragraphs.min_paragraphs 2 3");
  EXPECT_EQ(said(section({"fineweb"}), english + "\nno\nno end\nmark"), "fineweb.max_short_lines 0.75 0.67");
  EXPECT_EQ(said(section({"gopher_quality"}), english), " null null");
}

TEST(Cleaner, BoilerplateOfPages) {
  auto options = section({"boilerplate"});
  options.boilerplate.phrases = {"For internal use"};
  const Cleaner cleaner(options);
  std::string text;
  for (int page = 1; page <= 4; ++page)
    text += "Annual report of the company\nFirst line of page " + std::string(static_cast<size_t>(page), 'x') +
            "\nmiddle line that is everywhere\nAnnual report of the company stands inside\nlast\u0020words " +
            std::string(static_cast<size_t>(page), 'y') + "\nPage " + std::to_string(page) + " of 4\n\f";
  text +=
      "© 2026 All rights reserved.\nfor INTERNAL use only\nThe privacy policy of the kingdom was, for more than two "
      "hundred years, a matter of custom and not of law, and whoever wanted to know it had to ask the oldest members "
      "of the council, who rarely agreed with each other.\n";
  CleanCounts counts;
  cleaner.clean(text, counts);
  EXPECT_THAT(counts.lines_removed,
              ElementsAre(Pair("boilerplate.header_or_footer", 8), Pair("boilerplate.phrase", 2)));
  EXPECT_THAT(text, Not(HasSubstr("Page 1 of 4")));
  EXPECT_THAT(text, Not(HasSubstr("\f")));
  EXPECT_THAT(text, HasSubstr("middle line that is everywhere"));
  EXPECT_THAT(text, HasSubstr("The privacy policy of the kingdom"));
  EXPECT_THAT(text, Not(HasSubstr("reserved")));
}

TEST(Cleaner, InvalidBytesAreRepairedWithoutBeingAsked) {
  const Cleaner cleaner(section({"gopher_repetition"}));
  CleanCounts counts;
  std::string text = english + "\xFF";
  cleaner.clean(text, counts);
  EXPECT_TRUE(is_valid_utf8(text));
  EXPECT_THAT(counts.repairs, ElementsAre(Pair("invalid_utf8", 1)));
}

TEST(Cleaner, ChatMessagesAreRepairedOnly) {
  auto options = section({"gopher_quality"});
  options.repair = true, options.normalize = "nfc";
  CleanCounts counts;
  std::string text = "e\u0301\r\n";
  Cleaner(options).normalize(text, counts);
  EXPECT_EQ(text, "é\n");
  EXPECT_THAT(counts.dropped, IsEmpty());
  EXPECT_THAT(counts.repairs, ElementsAre(Pair("line_ends", 1), Pair("nfc", 1)));
}

TEST(Cleaner, IdentityHoldsWhatMatters) {
  const auto identity = [](const config::CleanSection& options) { return Cleaner(options).identity().dump(); };
  const auto base = section({"gopher_quality", "c4"});
  auto other = base;
  other.gopher_quality.min_words = 49;
  EXPECT_NE(identity(base), identity(other));
  other = base;
  other.fineweb.short_line_length = 31;  // a rule that is off
  EXPECT_EQ(identity(base), identity(other));
  other = base;
  std::swap(other.rules[0], other.rules[1]);  // the order is ours
  EXPECT_EQ(identity(base), identity(other));
  EXPECT_THAT(identity(base), AllOf(HasSubstr("\"icu\""), HasSubstr("cld2"), HasSubstr("\"min_words\":50")));
}

TEST(Cleaner, MistakesAreNamed) {
  auto options = section({});
  options.languages = {"english"};
  EXPECT_THAT(printed_error([&] { Cleaner{options}; }),
              AllOf(HasSubstr("data.clean.languages: error: expected codes of languages, found \"english\""),
                    HasSubstr("ISO 639-1")));
}

TEST(CleanCounts, AddUpAndComeBackFromJson) {
  CleanCounts a, b;
  a.dropped["c4.min_sentences"] = 2, a.languages["en"] = 3, a.repairs["mojibake"] = 1;
  b.dropped["c4.min_sentences"] = 1, b.lines_removed["c4.policy"] = 7;
  a += b;
  EXPECT_EQ(a.dropped.at("c4.min_sentences"), 3);
  EXPECT_EQ(CleanCounts::from_json(a.json()), a);
  EXPECT_THAT(printed_error([&] { CleanCounts::from_json({{"repairs", 3}}); }), HasSubstr("expected a map repairs"));
  auto wrong = a.json();
  wrong["dropped"]["x"] = -1;
  EXPECT_THAT(printed_error([&] { CleanCounts::from_json(wrong); }),
              HasSubstr("clean.dropped.x: error: expected a count"));
}

TEST(Cleaner, SameFromManyThreads) {
  auto options = section({"boilerplate", "gopher_repetition", "gopher_quality", "c4", "fineweb"});
  options.repair = true;
  const Cleaner cleaner(options);
  const auto work = [&](CleanCounts& counts, std::string& out) {
    for (int i = 0; i < 60; ++i) {
      std::string text = i % 3 ? english + "\n" + std::to_string(i) + "\r\n" + korean : korean + "โลกใหม่";
      out += cleaner.clean(text, counts).rule + text;
    }
  };
  CleanCounts one;
  std::string expected;
  work(one, expected);
  std::vector<CleanCounts> counts(4);
  std::vector<std::string> outs(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) threads.emplace_back([&, i] { work(counts[i], outs[i]); });
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(outs[i], expected);
    EXPECT_EQ(counts[i], one);
  }
}

}  // namespace
}  // namespace plumb::data
