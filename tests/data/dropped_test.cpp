// dropped.jsonl: every document that was read whole and is in no part stands there with its rule, whatever else
// happens.
#include <fmt/format.h>

#include <set>

#include "core/json.h"
#include "data/build/set_aside.h"
#include "data/build/stored.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
using testing::HasSubstr;

class DroppedTest : public DataTest {
 protected:
  fs::path build(const BuildRequest& request, const std::string& cache = "cache") const {
    return Dataset::build(request, tokenizer_, *chat_, folder_ / cache);
  }
  static std::vector<json> lines_of(const fs::path& dataset) {
    std::vector<json> lines;
    std::ifstream in(dataset / "dropped.jsonl");
    for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
    return lines;
  }
  // The list says what report.json counts: by rule, by source and in all.
  static void expect_counted(const fs::path& folder) {
    const auto dataset = Dataset::open(folder);
    const auto account = core::parse_json(dataset->text_file("report.json"), "report.json");
    std::map<std::string, int64_t> rules;
    std::map<std::string, std::map<std::string, int64_t>> sources;
    int64_t lines = 0;
    for (const auto& line : lines_of(folder)) {
      ++lines, ++rules[line["rule"]], ++sources[line["source"]][line["rule"]];
    }
    EXPECT_EQ(json(rules), account["dropped"]);
    for (const auto& source : account["sources"]) EXPECT_EQ(json(sources[source["name"]]), source["dropped"]);
    for (const auto& [rule, documents] : account["clean"]["dropped"].items()) EXPECT_EQ(rules[rule], documents) << rule;
    for (const auto& [kind, documents] : account["privacy"]["dropped"].items()) {
      EXPECT_EQ(rules["privacy." + kind], documents) << kind;
    }
    for (const char* rule : {"exact", "near", "repeated"}) EXPECT_EQ(rules[rule], account["duplicates"][rule]) << rule;
    EXPECT_EQ(rules["contaminated"], account["decontamination"]["documents_dropped"]);
    const auto r = dataset->report();
    EXPECT_EQ(rules["empty"], r.empty);
    EXPECT_EQ(rules["too_long"], r.too_long);
    EXPECT_EQ(lines, r.filtered + r.personal + r.contaminated + r.duplicates + r.empty + r.too_long);
    EXPECT_EQ(r.documents, r.kept + r.held_out + r.malformed + lines);
    dataset->verify();
  }
  static std::string row(const std::string& text) { return nlohmann::json{{"text", text}}.dump() + "\n"; }
  // Of several files, with every text up to four times, some of which are left with too few words.
  BuildRequest copies(int documents) const {
    std::string files[2];
    for (int i = 0; i < documents; ++i) {
      const int text = i % 7 == 3 ? i : i * 7919 % (documents / 4 + 1);
      std::string words = i % 11 == 5 ? "short" : "a text";
      for (int w = 0; w < text % 9 + 4 && i % 11 != 5; ++w) words += fmt::format(" w{}x{}", text, w);
      files[i % 2] += row(words);
    }
    auto ask = request({source(write("one.jsonl", files[0])), source(write("two.jsonl", files[1]))}, 48, "best_fit");
    ask.clean.rules = {"gopher_quality"};
    ask.clean.gopher_quality = only_words(3);
    ask.dedup.exact = true;
    ask.unit_bytes = 4 << 10;
    return ask;
  }
  static config::GopherQuality only_words(int64_t least) {
    config::GopherQuality limits;
    limits.min_words = least, limits.min_mean_word_length = 0;
    limits.min_stop_words.reset(), limits.min_alphabetic_words.reset(), limits.max_mean_word_length.reset();
    return limits;
  }

  FakeTokenizer tokenizer_;
  ChatTemplatePtr chat_ = chat_template("plain", "", tokenizer_);
};

TEST_F(DroppedTest, BlankDocumentsAreEmptyWhateverTheRules) {
  auto ask = request({source(write("a.jsonl", row("a text of some plain English words, written by somebody") +
                                                  row(" \n\t") + row("\u200b")))},
                     64);
  ask.clean.languages = {"en"}, ask.clean.language_score = 0, ask.clean.repair = true;
  ask.clean.rules = {"gopher_quality"}, ask.clean.gopher_quality = only_words(3);
  const auto folder = build(ask);
  expect_counted(folder);
  std::vector<std::string> rules;
  for (const auto& line : lines_of(folder)) rules.push_back(line["rule"]);
  EXPECT_EQ(rules, (std::vector<std::string>{"empty", "empty"}));
}

constexpr const char* kFirst = "the first text of this source has some words";
constexpr const char* kPassage = "a passage of more than forty bytes that will stand here and there again";
constexpr const char* kQuiz = "which river flows through the old town of heidelberg";

TEST_F(DroppedTest, EachDocumentStandsWithItsRuleAndWhatDecided) {
  std::string numbers = "many words:";
  for (int i = 100; i < 140; ++i) numbers += fmt::format(" n{}", i);
  const auto a =
      write("a.jsonl", row(kFirst) + "{broken\n" + row("two words") + row("write to kim.minsu@example.org about it") +
                           row(fmt::format("quiz: {}?", kQuiz)) + row(numbers) +
                           row(fmt::format("{} and then goes on about ships", kPassage)) +
                           row("위원회는 오래된 도서관에 모여 겨울이 오기 전에 다리를 고치기로 결정했다."));
  const auto b = write("b.jsonl", row(kFirst) + row(kPassage) + row(fmt::format("  {}\n", kFirst)) +
                                      row("The FIRST text of this source: has some words!") +
                                      row("another thing that nobody said before"));
  write("notes/x.txt", "alone");
  const auto chats =
      write("chats.jsonl",
            "{\"prompt\":\"why\",\"completion\":\"so\"}\n{\"prompt\":\"why\",\"completion\":\"\\u200b\"}\n"
            "{\"prompt\":\"who\",\"completion\":\"lee.jiwoo@example.org\"}\n");
  auto ask = request({source(a), source(b), source((folder_ / "notes").string()), source(chats, "prompt_completion")},
                     128, "best_fit");
  ask.clean.rules = {"gopher_quality"}, ask.clean.languages = {"en", "und"}, ask.clean.language_score = 0;
  ask.clean.repair = true;  // nothing is left of the second answer
  ask.clean.gopher_quality = only_words(3);
  ask.privacy.drop = {"email"};
  ask.decontaminate.action = "drop", ask.decontaminate.ngram = 8;
  ask.evaluation_texts = {{"exam", {kQuiz}}};
  ask.dedup.exact = ask.dedup.minhash = true, ask.dedup.substring = 40;
  const auto folder = build(ask);
  EXPECT_EQ(slurp(folder / "dropped.jsonl"),
            R"({"where":"a.jsonl:3","source":"a","rule":"gopher_quality.min_words","found":2,"limit":3}
{"where":"a.jsonl:4","source":"a","rule":"privacy.email"}
{"where":"a.jsonl:5","source":"a","rule":"contaminated"}
{"where":"a.jsonl:8","source":"a","rule":"languages","found":"ko"}
{"where":"a.jsonl:6","source":"a","rule":"too_long","found":212,"limit":128}
{"where":"b.jsonl:1","source":"b","rule":"exact","kept":"a.jsonl:1","kept_source":"a"}
{"where":"b.jsonl:2","source":"b","rule":"repeated"}
{"where":"b.jsonl:3","source":"b","rule":"exact","kept":"a.jsonl:1","kept_source":"a"}
{"where":"b.jsonl:4","source":"b","rule":"near","kept":"a.jsonl:1","kept_source":"a"}
{"where":"x.txt","source":"notes","rule":"gopher_quality.min_words","found":1,"limit":3}
{"where":"chats.jsonl:2","source":"chats","rule":"empty"}
{"where":"chats.jsonl:3","source":"chats","rule":"privacy.email"}
)");
  expect_counted(folder);
  EXPECT_EQ(Dataset::open(folder)->report().kept, 4);
  EXPECT_EQ(Dataset::open(folder)->report().malformed, 1);
}

TEST_F(DroppedTest, WithoutRulesTheListIsThereAndEmpty) {
  const auto folder = build(request({source(write("a.txt", "a text"))}, 4));
  EXPECT_EQ(Dataset::open(folder)->text_file("dropped.jsonl"), "");
  expect_counted(folder);
}

TEST_F(DroppedTest, AnyThreadsGiveTheSameBytesAndAnyUnitsTheSameLines) {
  auto ask = copies(3000);
  const auto one = build(ask);
  const auto list = slurp(one / "dropped.jsonl");
  EXPECT_GT(std::count(list.begin(), list.end(), '\n'), 1500);
  expect_counted(one);
  ask.threads = 4;
  const auto four = build(ask, "four");
  EXPECT_EQ(four.filename(), one.filename());
  EXPECT_EQ(slurp(four / "dropped.jsonl"), list);
  ask.unit_bytes = 1 << 20;
  const auto text_lines = [](const fs::path& folder) {
    std::multiset<std::string> lines;
    for (const auto& line : lines_of(folder)) lines.insert(line.dump());
    return lines;
  };
  EXPECT_EQ(text_lines(build(ask)), text_lines(one));
  // Each copy is one of the text that it names, which stands before it.
  const auto texts = [&](const std::string& name) {
    std::vector<std::string> all;
    std::ifstream in(folder_ / name);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  };
  const std::map<std::string, std::vector<std::string>> files{{"one.jsonl", texts("one.jsonl")},
                                                              {"two.jsonl", texts("two.jsonl")}};
  const auto place = [](const std::string& where) {
    const auto colon = where.find(':');
    return std::pair(where.substr(0, colon), std::stoul(where.substr(colon + 1)) - 1);
  };
  int between_files = 0;
  for (const auto& line : lines_of(one)) {
    if (line["rule"] != "exact") continue;
    const auto copy = place(line["where"]), kept = place(line["kept"]);
    EXPECT_LT(kept, copy);
    EXPECT_EQ(files.at(kept.first).at(kept.second), files.at(copy.first).at(copy.second));
    EXPECT_EQ(line["kept_source"].get<std::string>() + ".jsonl", kept.first);
    between_files += kept.first != copy.first;
  }
  EXPECT_GT(between_files, 100);
}

TEST_F(DroppedTest, AKilledBuildGoesOnToTheSameList) {
  auto ask = copies(3000);
  ask.dedup = {};  // so that chunks are documents, what was dropped, and counts
  const auto whole = build(ask);
  const auto list = slurp(whole / "dropped.jsonl");
  fs::path documents;
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    if (entry.path().filename().string().starts_with("documents-")) documents = entry.path();
  }
  int kept = 0;
  for (const auto& entry : fs::directory_iterator(documents)) {  // as if killed behind the first chunk of every unit
    const auto name = entry.path().filename().string();
    if (name.starts_with("docs-") && name.find("-000.") != std::string::npos)
      kept += name.ends_with(".dropped");
    else
      fs::remove_all(entry.path());
  }
  EXPECT_GT(kept, 10);
  fs::remove_all(whole);
  EXPECT_EQ(build(ask), whole);
  EXPECT_EQ(slurp(whole / "dropped.jsonl"), list);
  expect_counted(whole);
}

TEST_F(DroppedTest, WhatIsInTheOtherPartIsNotDropped) {
  auto ask = copies(600);
  ask.validation_share = 0.3;
  const auto train = build(ask);
  ask.validation = true;
  const auto validation = build(ask);
  std::set<std::string> places, rows;
  for (const auto& folder : {train, validation}) {
    expect_counted(folder);
    const auto dataset = Dataset::open(folder);
    EXPECT_GT(dataset->report().held_out, 50);
    EXPECT_GT(dataset->report().too_long, 0);
    for (int64_t d = 0; d < dataset->documents(); ++d) {
      EXPECT_TRUE(places.insert(dataset->document_where(d)).second);
    }
    for (const auto& line : lines_of(folder)) rows.insert(line["where"]);
  }
  for (const auto& where : rows) EXPECT_FALSE(places.count(where)) << where;
  places.merge(rows);
  EXPECT_EQ(places.size(), 600u);
}

TEST_F(DroppedTest, OneSourceAmongOthersListsItsOwn) {
  auto ask = copies(600);
  ask.only_source = 1;
  const auto folder = build(ask);
  expect_counted(folder);
  bool elsewhere = false;
  for (const auto& line : lines_of(folder)) {
    EXPECT_EQ(line["source"], "two");
    elsewhere |= line.value("kept_source", "two") == "one";
  }
  EXPECT_TRUE(elsewhere);
}

TEST_F(DroppedTest, DamageInWhatABuildLeftIsNamed) {
  std::string all;
  for (uint32_t i = 0; i < 50; ++i) append_place(all, {i, uint64_t{i} << 33});
  const auto path = write("docs.places", all);
  EXPECT_EQ(PlaceReader(path).at(49).line, uint64_t{49} << 33);
  EXPECT_EQ(PlaceReader(path).at(7).file, 7u);
  const auto error = [&] { return error_of([&] { PlaceReader(path).at(49); }); };
  for (size_t at = all.size() - 16; at < all.size(); ++at) {
    auto bad = all;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    write("docs.places", bad);
    EXPECT_THAT(error(), HasSubstr("docs.places: error: damaged")) << at;
  }
  write("docs.places", all.substr(0, all.size() - 1));
  EXPECT_THAT(error(), HasSubstr("docs.places: error: damaged"));
  const auto list = write("part.dropped", "{}\n{}\n");
  EXPECT_THAT(error_of([&] { read_set_aside(list, 3, [](const std::string&) { return true; }); }),
              HasSubstr("part.dropped: error: damaged"));
}

}  // namespace
}  // namespace plumb::data
