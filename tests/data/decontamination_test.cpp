// Evaluation items in training documents: what is found, where, how much of it, and what happens to the document.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <set>
#include <tuple>

#include "core/json.h"
#include "data/decontaminate/contamination.h"
#include "data/decontaminate/index.h"
#include "data_files.h"

namespace plumb::data {
namespace {

using decontaminate::ItemIndex;
using decontaminate::Shared;
using decontaminate::Words;
using Outcome = Contamination::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kItem =
    "Which river flows through the old town of Heidelberg before it meets the Rhine near Mannheim?\nThe Neckar";

config::DecontaminateSection section(const std::string& action, int64_t ngram = 13, double overlap = 0) {
  config::DecontaminateSection made;
  made.action = action;
  made.ngram = ngram;
  made.min_overlap = overlap;
  return made;
}

struct Checked {
  Outcome outcome;
  std::string text;
  std::vector<Hit> hits;
  ContaminationCounts counts;
};

Checked check(const Contamination& contamination, std::string text, const std::string& source = "web") {
  Checked done;
  done.outcome = contamination.check(text, source, done.counts, done.hits);
  done.text = std::move(text);
  return done;
}

std::string spelled(const std::string& text, const Hit& hit) { return text.substr(hit.begin, hit.end - hit.begin); }

TEST(Decontamination, SpansAreFoundInOtherClothes) {
  const Contamination report(section("report"), {{"rivers", {"an item of eight words is long enough here", kItem}}});
  const std::string text =
      "Quiz night.\n\n\u201cWHICH river -- flows through the Old Town of \u00abHeidelberg\u00bb before it\nmeets the "
      "Rh\u00efne, "
      "near Mannheim\u201d was asked.";
  const auto done = check(report, text);
  EXPECT_EQ(done.outcome, Outcome::reported);
  EXPECT_EQ(done.text, text);
  ASSERT_EQ(done.hits.size(), 1u);
  const Hit& hit = done.hits[0];
  EXPECT_EQ(report.set_name(hit.set), "rivers");
  EXPECT_EQ(hit.item, 1u);
  EXPECT_EQ(spelled(text, hit), text.substr(text.find("WHICH"), text.find("\u201d was") - text.find("WHICH")));
  EXPECT_EQ(hit.words, 16u);
  EXPECT_EQ(hit.ngrams, 4u);
  EXPECT_FLOAT_EQ(hit.share, 16.0F / 18);
  EXPECT_EQ(done.counts.reported, 1);
  EXPECT_THAT(done.counts.items.at("rivers").at("web"), ElementsAre(1u));
}

TEST(Decontamination, ThirteenWordsAreAHitAndTwelveAreNone) {
  const Contamination report(section("report"), {{"rivers", {kItem}}});
  const std::string thirteen = "flows through the old town of Heidelberg before it meets the Rhine near";
  EXPECT_EQ(check(report, "x " + thirteen + " y").outcome, Outcome::reported);
  EXPECT_EQ(check(report, "x " + thirteen.substr(6) + " y").outcome, Outcome::clean);
  EXPECT_EQ(check(report, "x flows through the old city of Heidelberg before it meets the Rhine near y").outcome,
            Outcome::clean);
  // From question to answer is one text.
  EXPECT_EQ(check(report, "of Heidelberg before it meets the Rhine near Mannheim: the Neckar. And more").outcome,
            Outcome::clean);
  EXPECT_EQ(check(report, "old town of Heidelberg before it meets the Rhine near Mannheim: the Neckar").outcome,
            Outcome::reported);
}

TEST(Decontamination, ShortItemsMatchAsAWhole) {
  const Contamination report(
      section("report"), {{"facts", {"water boils at one hundred degrees celsius always", "capital of France", ""}}});
  EXPECT_EQ(check(report, "Know that Water boils at one hundred degrees Celsius, always!").hits.at(0).share, 1.0F);
  EXPECT_EQ(check(report, "water boils at one hundred degrees celsius").outcome, Outcome::clean);
  EXPECT_EQ(check(report, "Paris is the capital of France").outcome, Outcome::clean);
  EXPECT_EQ(report.summary()["facts"].dump(), R"({"items":3,"too_short":2,"template_ngrams":0})");
}

TEST(Decontamination, MaskTakesTheWordsAndLeavesTheRest) {
  const Contamination mask(section("mask"), {{"rivers", {kItem}}});
  const std::string question = kItem.substr(0, kItem.find('\n'));
  const auto done = check(mask, "Before it. " + question + "\nAfter it.");
  EXPECT_EQ(done.outcome, Outcome::masked);
  EXPECT_EQ(done.text, "Before it.\n\nAfter it.");
  EXPECT_EQ(done.counts.bytes_removed, static_cast<int64_t>(question.size() + 2) - 2);
  EXPECT_EQ(check(mask, question + " And then, nothing.").text, "And then, nothing.");
  EXPECT_EQ(check(mask, "At the end:\n" + question).text, "At the end:");
  const auto twice = check(mask, "One. " + question + " Two. " + question + " Three.");
  EXPECT_EQ(twice.text, "One.\n\nTwo.\n\nThree.");
  EXPECT_EQ(twice.counts.spans, 2);
  const auto nothing_left = check(mask, " \"" + question + "\" ");
  EXPECT_EQ(nothing_left.outcome, Outcome::dropped);
  EXPECT_EQ(nothing_left.counts.dropped, 1);
  EXPECT_EQ(nothing_left.counts.masked, 0);
}

TEST(Decontamination, DropAndConversations) {
  const Contamination drop(section("drop"), {{"rivers", {kItem}}}), mask(section("mask"), {{"rivers", {kItem}}}),
      report(section("report"), {{"rivers", {kItem}}}), none(section("none"), {{"rivers", {kItem}}});
  EXPECT_EQ(check(drop, "x " + kItem).outcome, Outcome::dropped);
  EXPECT_EQ(check(none, kItem).outcome, Outcome::clean);
  EXPECT_FALSE(none.active());
  EXPECT_TRUE(none.identity().is_null());
  const size_t cut = kItem.find('\n');
  const std::string question = kItem.substr(0, cut), answer = kItem.substr(cut + 1);
  const std::vector<std::string_view> parts = {question.substr(0, 40), std::string_view(question).substr(40), answer};
  for (const auto& [contamination, expected] : {std::pair(&drop, Outcome::dropped), std::pair(&mask, Outcome::dropped),
                                                std::pair(&report, Outcome::reported)}) {
    ContaminationCounts counts;
    std::vector<Hit> hits;
    const std::string_view question_view = question, answer_view = answer;
    const std::vector<std::string_view> conversation = {question_view, answer_view};
    EXPECT_EQ(contamination->check(conversation, "chat", counts, hits), expected);
    EXPECT_EQ(hits.at(0).share, 1.0F);
    EXPECT_THAT(counts.items.at("rivers").at("chat"), ElementsAre(0u));
  }
}

TEST(Decontamination, MinOverlapAsksForAShareOfTheItem) {
  const std::vector<NamedTexts> sets = {{"rivers", {kItem}}};
  const std::string part = "x flows through the old town of Heidelberg before it meets the Rhine near y";  // 13 of 18
  EXPECT_EQ(check(Contamination(section("report", 13, 0.72), sets), part).outcome, Outcome::reported);
  EXPECT_EQ(check(Contamination(section("report", 13, 0.73), sets), part).outcome, Outcome::clean);
  // Pieces of one item add up.
  const Contamination small(section("report", 5, 0.5), sets);
  EXPECT_EQ(check(small, "which river flows through the mill").outcome, Outcome::clean);
  EXPECT_EQ(check(small, "which river flows through the mill, and town of Heidelberg before it").hits.size(), 2u);
}

TEST(Decontamination, TwinsAndTemplates) {
  // An item that a set holds twice counts as two; the question's form, which all items share, is no item.
  const std::string form =
      "Answer the following multiple choice question by giving only the letter of the right answer now please: ";
  NamedTexts set{"exam", {}};
  for (int i = 0; i < 40; ++i)
    set.texts.push_back(
        form +
        fmt::format("why does the {}th planet turn around its own axis so slowly when nobody looks at it", i + 100));
  set.texts.push_back(set.texts[7]);
  const Contamination report(section("report"), {set});
  EXPECT_EQ(check(report, form + "what is two plus two?").outcome, Outcome::clean);
  EXPECT_GT(report.summary()["exam"]["template_ngrams"].get<int>(), 0);
  const auto done =
      check(report, "I wonder: please, why does the 107th planet turn around its own axis so slowly when nobody looks");
  ASSERT_EQ(done.outcome, Outcome::reported);
  EXPECT_THAT(done.counts.items.at("exam").at("web"), ElementsAre(7u, 40u));
}

TEST(Decontamination, KoreanAndBytesThatAreNoText) {
  const std::string item = "하이델베르크 구시가지를 지나 만하임 근처에서 라인강과 만나는 강의 이름은 무엇인가";
  const Contamination report(section("report", 8), {{"강", {item}}});
  EXPECT_EQ(
      check(report, "문제: 하이델베르크 구시가지를 지나, 만하임 근처에서 라인강과 만나는 강의 이름은?").hits.size(),
      1u);
  // Decomposed Korean, as some file systems write it.
  const std::string apart =
      "\u1112\u1161\u110B\u1175\u1103\u1166\u11AF\u1107\u1166\u1105\u1173\u110F\u1173" + item.substr(18);
  EXPECT_EQ(check(report, apart).hits.at(0).words, 10u);
  const auto broken = check(report, "\xff\xfe" + item + "\xed\xa0\x80 \xf0\x9f");
  ASSERT_EQ(broken.hits.size(), 1u);
  EXPECT_EQ(broken.hits[0].words, 10u);
  for (const char* torn : {"\xf0", "a\xe0\xa0", "\xff\xff\xff\xff", "\xc0\x80", "\xed\xa0\x80"})
    EXPECT_EQ(check(report, torn).outcome, Outcome::clean);
  EXPECT_EQ(broken.hits[0].begin, 2u);
  EXPECT_EQ(broken.hits[0].end, 2 + item.size());
}

TEST(Decontamination, CountsAndIdentity) {
  const std::vector<NamedTexts> sets = {{"a", {kItem, kItem + " again and again"}}, {"b", {kItem}}};
  const Contamination drop(section("drop"), sets);
  ContaminationCounts counts;
  for (const char* source : {"web", "books", "web"}) counts += check(drop, "see " + kItem, source).counts;
  EXPECT_EQ(counts.dropped, 3);
  const auto json = counts.json();
  EXPECT_EQ(json["sets"]["a"]["contaminated_items"], 2);
  EXPECT_EQ(json["sets"]["a"]["by_source"]["web"].dump(), R"({"contaminated_items":2,"items":[0,1]})");
  EXPECT_EQ(ContaminationCounts::from_json(json).json(), json);
  auto sparse = counts;
  sparse.items["a"]["web"] = {0, 2, 3, 4, 9};
  EXPECT_EQ(sparse.json()["sets"]["a"]["by_source"]["web"]["items"].dump(), "[0,0,2,4,9,9]");
  EXPECT_EQ(ContaminationCounts::from_json(sparse.json()).items, sparse.items);
  auto other = sets;
  other[1].texts[0] += "!";
  EXPECT_NE(Contamination(section("drop"), other).identity(), drop.identity());
  EXPECT_NE(Contamination(section("mask"), sets).identity(), drop.identity());
  EXPECT_NE(Contamination(section("drop", 12), sets).identity(), drop.identity());
  EXPECT_EQ(Contamination(section("drop"), sets).identity(), drop.identity());
  other[1].name = "a";
  EXPECT_THAT(printed_error([&] { Contamination(section("drop"), other); }), HasSubstr("two sets are named a"));
}

TEST(Decontamination, ADocumentIsDescribedByItsLargestPassages) {
  const Contamination report(section("report", 8), {{"rivers", {kItem}}, {"short", {"a b c d e f g h i j k l"}}});
  std::string text = "Which river flows through the old town of, said he. ";
  for (int i = 0; i < 20; ++i) text += "a b c d e f g h i. And then: ";
  text += kItem;
  const auto done = check(report, text);
  ASSERT_EQ(done.hits.size(), 22u);
  const auto described = report.describe("a.jsonl:7", "web", done.outcome, done.hits);
  EXPECT_EQ(described.spans, 22);
  EXPECT_EQ(described.ngrams, 1 + 20 * 2 + 11);
  ASSERT_EQ(described.places.size(), ContaminatedDocument::most_hits);
  const auto json = described.json();
  EXPECT_EQ(json["where"], "a.jsonl:7");
  EXPECT_EQ(json["outcome"], "reported");
  int64_t before = 0;
  for (const auto& place : json["largest"]) {
    EXPECT_GE(place["begin"].get<int64_t>(), before);
    before = place["begin"].get<int64_t>();
  }
  const auto& last = json["largest"].back();  // the whole item stays, the first passage, the smallest, goes
  EXPECT_EQ(last.dump(), fmt::format(R"({{"set":"rivers","item":0,"begin":{},"end":{},"ngrams":11,"share":1.0}})",
                                     text.size() - kItem.size(), text.size()));
  EXPECT_EQ(json["largest"][0]["set"], "short");
}

TEST(Decontamination, TheLargestAreKeptHoweverTheyCome) {
  std::mt19937 random(3);
  std::vector<nlohmann::ordered_json> all, piecewise;
  for (int i = 0; i < 1000; ++i) {
    all.push_back({{"number", i}, {"ngrams", static_cast<int64_t>(random() % 50)}});
    piecewise.push_back(all.back());
    if (piecewise.size() >= 200) keep_largest(piecewise, 100);
  }
  auto expected = all;
  std::stable_sort(expected.begin(), expected.end(),
                   [](const auto& a, const auto& b) { return a["ngrams"] > b["ngrams"]; });
  expected.resize(100);
  std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a["number"] < b["number"]; });
  keep_largest(all, 100);
  keep_largest(piecewise, 100);
  EXPECT_EQ(all, expected);
  EXPECT_EQ(piecewise, expected);
}

// What was found against every match by trying all places; the number of words of documents in a match.
size_t expect_all_places(const ItemIndex& index, const std::vector<Shared>& found,
                         const std::vector<std::string>& items, const Words& words, size_t ngram) {
  size_t total = 0;
  for (uint32_t number = 0; number < items.size(); ++number) {
    Words item;
    decontaminate::words_of(items[number], item);
    const size_t count = std::min(item.size(), ngram);
    std::set<size_t> starts, in_document, in_item, seen;
    for (size_t d = 0;
         d + count <= words.size() && item.size() >= std::min<size_t>(ngram, decontaminate::shortest_item); ++d)
      for (size_t w = 0; w + count <= item.size(); ++w)
        for (size_t k = 0; k < count && words.run(d, count) == item.run(w, count); ++k) {
          starts.insert(d);
          in_document.insert(d + k);
          in_item.insert(w + k);
        }
    size_t covered = 0, ngrams = 0;
    for (const auto& shared : found) {
      if (index.item(shared.item).number != number) continue;
      covered = shared.covered;
      for (const auto& range : shared.ranges) {
        ngrams += range.ngrams;
        for (size_t k = 0; k < range.words; ++k) EXPECT_TRUE(seen.insert(range.first + k).second);
      }
    }
    EXPECT_EQ(ngrams, starts.size());
    EXPECT_EQ(seen, in_document);
    EXPECT_EQ(covered, in_item.size());
    total += seen.size();
  }
  return total;
}

// Keys that collide must change nothing: two bits make every look-up one.
TEST(Decontamination, WordsDecideNotHashes) {
  std::mt19937 random(5);
  const auto text = [&](int words) {
    std::string made;
    while (words-- > 0) made += fmt::format("w{} ", random() % 6);
    return made;
  };
  for (const size_t ngram : {2u, 5u, 13u}) {
    std::vector<std::string> items;
    for (int i = 0; i < 20; ++i) items.push_back(text(static_cast<int>(random() % 30)));
    ItemIndex exact(ngram), colliding(ngram, 2);
    Words words;
    for (uint32_t i = 0; i < items.size(); ++i) {
      decontaminate::words_of(items[i], words);
      exact.add(0, i, words);
      colliding.add(0, i, words);
    }
    exact.finish();
    colliding.finish();
    size_t total = 0;
    for (int i = 0; i < 50; ++i) {
      decontaminate::words_of(text(40) + (i % 2 ? items[random() % items.size()] : "") + text(10), words);
      const auto one = exact.look_up(words), two = colliding.look_up(words);
      ASSERT_EQ(one.size(), two.size());
      for (size_t k = 0; k < one.size(); ++k) {
        EXPECT_EQ(std::tie(one[k].item, one[k].covered, one[k].ranges),
                  std::tie(two[k].item, two[k].covered, two[k].ranges));
      }
      total += expect_all_places(exact, one, items, words, ngram);
    }
    EXPECT_GT(total, 50u);
  }
}

TEST(Decontamination, DecisionsAreThoseOfDatatrove) {
  const char* root = std::getenv("TEST_SOURCE_DIR");
  const auto file = std::filesystem::path(root ? root : ".") / "tests/data/decontamination.json";
  const auto golden = core::parse_json_file(file);
  int compared = 0, contaminated = 0;
  for (const auto& cases : golden["same"]) {
    const Contamination report(section("report", cases["ngram"]),
                               {{"set", cases["items"].get<std::vector<std::string>>()}});
    for (const auto& document : cases["documents"]) {
      const bool found = check(report, document["text"]).outcome == Outcome::reported;
      EXPECT_EQ(found, document["contaminated"].get<bool>()) << cases["ngram"] << ": " << document["text"];
      ++compared;
      contaminated += found;
    }
  }
  std::cout << fmt::format("{} documents, {} contaminated, decided as datatrove does\n", compared, contaminated);
  EXPECT_EQ(compared, 450);
  for (const auto& different : golden["different"]) {
    const Contamination report(section("report", different["ngram"]),
                               {{"set", {different["item"].get<std::string>()}}});
    EXPECT_NE(check(report, different["text"]).outcome == Outcome::reported, different["datatrove"].get<bool>())
        << different["why"];
  }
}

// Of this thread's processor time: other work on the machine does not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TEST(Decontamination, HostileTextsTakeLinearTime) {
  std::string ones, mixed;
  for (int i = 0; i < 300000; ++i) ones += "one ";
  NamedTexts set{"ones", {ones.substr(0, 40000)}};
  for (int i = 0; i < 30; ++i) set.texts.push_back(ones.substr(0, 4000) + fmt::format("end {}", i));
  const Contamination report(section("report"), {set});
  const double begin = thread_seconds();
  const auto done = check(report, ones);
  EXPECT_EQ(done.outcome, Outcome::reported);
  EXPECT_EQ(done.hits[0].words, 300000u);
  EXPECT_LT(thread_seconds() - begin, 10.0);
}

TEST(Decontamination, RateIsPrinted) {
  std::mt19937 random(9);
  std::vector<std::string> vocabulary;
  for (int i = 0; i < 5000; ++i) {
    std::string word;
    for (int k = 2 + static_cast<int>(random() % 8); k > 0; --k) word += static_cast<char>('a' + random() % 26);
    vocabulary.push_back(word);
  }
  const auto text = [&](int words) {
    std::string made;
    while (words-- > 0) made += vocabulary[random() % vocabulary.size()] + (random() % 12 ? " " : ". ");
    return made;
  };
  NamedTexts set{"set", {}};
  for (int i = 0; i < 2000; ++i) set.texts.push_back(text(60));
  const Contamination report(section("report"), {set});
  std::vector<std::string> documents;
  size_t bytes = 0;
  for (int i = 0; i < 1000; ++i) {
    documents.push_back(text(1000));
    bytes += documents.back().size();
  }
  ContaminationCounts counts;
  std::vector<Hit> hits;
  const double begin = thread_seconds();
  for (auto& document : documents) report.check(document, "web", counts, hits);
  const double seconds = thread_seconds() - begin;
  std::cout << fmt::format("{:.0f} MB/s on one thread against 2,000 items\n",
                           static_cast<double>(bytes) / 1e6 / seconds);
  EXPECT_EQ(counts.reported, 0);
}

class EvaluationTexts : public DataTest {};

TEST_F(EvaluationTexts, QuestionsWithTheirAnswers) {
  config::Config config;
  config.eval.sets.resize(2);
  auto &chat = config.eval.sets[0], &text = config.eval.sets[1];
  chat.name = "chat", chat.format = "prompt_completion", chat.limit = 1;
  chat.path = write("chat.jsonl", R"({"prompt":"q1","completion":"a1"}
{"prompt":"q2","completion":"a2"}
)");
  text.name = "text";
  text.path = write("text.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
  auto& exam = config.data.decontaminate.sets.emplace_back();
  exam.path = write("exam.jsonl", R"({"frage":"wo?","kontext":"dort","antwort":"hier"})"), exam.format = "alpaca";
  exam.fields = {{"instruction", "frage"}, {"input", "kontext"}, {"output", "antwort"}};
  const auto sets = evaluation_texts(config);
  ASSERT_EQ(sets.size(), 3u);
  EXPECT_EQ(sets[0].name, "chat");
  EXPECT_THAT(sets[0].texts, ElementsAre("q1\na1"));
  EXPECT_THAT(sets[1].texts, ElementsAre("one", "two"));
  EXPECT_EQ(sets[2].name, "exam");
  EXPECT_THAT(sets[2].texts, ElementsAre("wo?\ndort\nhier"));
  text.path = write("bad.jsonl", "{\"text\":\"one\"}\n{\"text\":\n");
  EXPECT_THAT(error_of([&] { evaluation_texts(config); }), HasSubstr("bad.jsonl"));
}

}  // namespace
}  // namespace plumb::data
