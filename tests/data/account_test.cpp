// Several datasets as one account: what adds up, what is counted once, and what is refused.
#include "data/account/account.h"

#include <fmt/format.h>

#include <set>

#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

using json = nlohmann::ordered_json;
using testing::HasSubstr;

class AccountTest : public DataTest {
 protected:
  DatasetPtr build(const BuildRequest& request, const Tokenizer& tokenizer = FakeTokenizer()) {
    return Dataset::open(Dataset::build(request, tokenizer, *chat_template("plain", "", tokenizer), folder_ / "cache"));
  }
  config::Source rows(const std::string& file, const std::string& name, int count, const std::string& domain) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      lines += fmt::format("{{\"text\":\"{} {} {}\",\"url\":\"http://{}/{}\"}}\n", name, domain, i, domain, i);
    }
    auto made = source(write(file, lines));
    made.name = name;
    return made;
  }
  // A mix: a dataset for each source, made from one corpus in which the second source repeats documents of the first.
  std::vector<DatasetPtr> mix() {
    auto web = rows("web.jsonl", "web", 40, "a.example.com"), books = rows("books.jsonl", "books", 10, "b.example.org");
    const auto first = slurp(web.path);
    books.path = write("books.jsonl", slurp(books.path) + first.substr(0, first.find('\n') + 1));
    books.license = "CC0-1.0", books.language = "en", web.synthetic = true;
    std::vector<DatasetPtr> parts;
    auto ask = request({web, books}, 32);
    ask.dedup.exact = true;
    for (size_t i = 0; i < 2; ++i) ask.only_source = i, parts.push_back(build(ask));
    return parts;
  }
  static std::set<std::string> ids(const json& croissant) {
    std::set<std::string> all;
    for (const auto& part : croissant["distribution"]) all.insert(part["@id"].get<std::string>());
    return all;
  }
};

TEST_F(AccountTest, CountsAddUpAndTheSharedCorpusCountsOnce) {
  const auto parts = mix();
  std::vector<json> own;
  for (const auto& part : parts) own.push_back(read_account(*part).report);
  ASSERT_TRUE(own[0]["duplicates"]["clusters"].is_object());
  const auto joined = join_accounts("both", std::nullopt, {{parts[0], "web"}, {parts[1], "books"}});
  const json& report = joined.report;
  EXPECT_EQ(report["format"], "plumb-report-set-1");
  EXPECT_FALSE(report.contains("read"));
  for (const char* key : {"documents", "kept", "duplicates", "tokens", "bytes"}) {
    EXPECT_EQ(report["totals"][key].get<int64_t>(),
              own[0]["totals"][key].get<int64_t>() + own[1]["totals"][key].get<int64_t>())
        << key;
  }
  EXPECT_EQ(report["totals"]["documents"], 51);
  EXPECT_EQ(report["totals"]["duplicates"], 1);
  EXPECT_EQ(report["duplicates"]["exact"], 1);
  EXPECT_EQ(report["duplicates"]["clusters"]["clusters"], own[0]["duplicates"]["clusters"]["clusters"])
      << "clusters are those of the corpus that both are made from";
  EXPECT_EQ(report["rules"], own[0]["rules"]);
  int64_t lengths = 0;
  for (const auto& n : report["lengths"]["tokens"]) lengths += n.get<int64_t>();
  EXPECT_EQ(lengths, report["totals"]["kept"]);
  EXPECT_EQ(report["domains"].size(), 2u);
  EXPECT_EQ(report["stated_languages"]["en"][0], 10);
  ASSERT_EQ(report["sources"].size(), 2u);
  EXPECT_EQ(report["sources"][1]["dataset"], "books");
  ASSERT_EQ(report["datasets"].size(), 2u);
  EXPECT_EQ(report["datasets"][1]["report"], own[1]);
  EXPECT_EQ(report["datasets"][1]["digest"], parts[1]->digest());
}

TEST_F(AccountTest, SharesAreThoseOfWhatWasRead) {
  const auto parts = mix();
  const auto general = build(request({rows("g/web.jsonl", "web", 5, "c.example.net")}, 32));
  const auto joined = join_accounts("run", 7,
                                    {{parts[0], "web", false, AccountPart::Read{10, {{"web", 300}}}},
                                     {parts[1], "books", false, AccountPart::Read{30, {{"books", 680}}}},
                                     {general, "replay", true, AccountPart::Read{1, {{"web", 20}}}}});
  const json& report = joined.report;
  EXPECT_EQ(report["steps"], 7);
  EXPECT_EQ(report["read"], json({{"rows", 41}, {"positions", 41 * 32}, {"tokens", 1000}}));
  EXPECT_EQ(report["datasets"][1]["read"]["tokens"], 680);
  EXPECT_DOUBLE_EQ(report["datasets"][0]["read"]["epochs"].get<double>(), 10.0 / static_cast<double>(parts[0]->rows()));
  EXPECT_EQ(report["sources"][2]["tokens_read"], 20);
  const auto summary = eu_summary(joined);
  EXPECT_THAT(summary, HasSubstr("of run run up to step 7"));
  EXPECT_THAT(summary, HasSubstr("| Read in training, in 1,312 positions | 1,000 tokens |"));
  const auto tokens = [&](size_t i) { return std::to_string(report["sources"][i]["tokens"].get<int64_t>()); };
  EXPECT_THAT(summary,
              HasSubstr("| books | books | training | CC0-1.0 | 10 | " + tokens(1) + " | 680 | 68.0 % | yes |"));
  EXPECT_THAT(summary, HasSubstr("| web | replay | replay | _to be stated by the provider_ | 5 | " + tokens(2) +
                                 " | 20 | 2.0 % | no |"));
  const auto synthetic = summary.substr(summary.find("### 2.5"));
  EXPECT_THAT(synthetic, HasSubstr(" | 300 | 30.0 % | yes |"));
  const auto page = report_html(joined);
  EXPECT_THAT(page, HasSubstr("<td>replay</td><td>" + general->digest() + "</td><td>replay</td>"));
  EXPECT_THAT(page, HasSubstr("7 steps read 1,000 tokens in 1,312 positions"));
}

TEST_F(AccountTest, CatalogueAndSummaryNameTheSameLanguages) {
  const auto said = [&](const BuildRequest& request) {
    const auto account = read_account(*build(request));
    const auto summary = eu_summary(account);
    const auto at = summary.find("| Languages | ") + 14;
    return croissant(account)["inLanguage"].dump() + " " + summary.substr(at, summary.find(" |", at) - at);
  };
  auto french = rows("french.jsonl", "french", 3, "a.example.fr");
  const auto english = write("english.jsonl",
                             "{\"text\":\"The committee decided to repair the old bridge before the "
                             "winter came and the river rose.\"}\n{\"text\":\"17\"}\n");
  EXPECT_EQ(said(request({french, source(english)}, 32)),
            R"("to be stated by the provider" _to be stated by the provider_)");
  french.language = "fr";
  EXPECT_EQ(said(request({french}, 32)), R"(["fr"] fr)");
  auto ask = request({french, source(english)}, 32);
  ask.clean.repair = true;  // with cleaning the language of every document is looked for
  EXPECT_THAT(said(ask), testing::MatchesRegex(R"(\["en","fr",.*"und"\] en, fr, .*und)"));
}

TEST_F(AccountTest, IdsStayApartWhereNamesDoNot) {
  std::vector<AccountPart> parts;
  for (const char* folder : {"a", "b"}) {
    parts.push_back(
        {build(request({rows(std::string(folder) + "/same.jsonl", "same", 9, folder + std::string(".com"))}, 32)),
         "same"});
  }
  const auto joined = join_accounts("two", std::nullopt, parts);
  EXPECT_NE(joined.parts[0].name, joined.parts[1].name);
  const auto catalogue = croissant(joined);
  EXPECT_EQ(ids(catalogue).size(), 4u);
  EXPECT_EQ(catalogue["distribution"].size(), 4u);
  for (const auto& part : catalogue["distribution"]) {
    if (!part.contains("containedIn")) continue;
    EXPECT_TRUE(ids(catalogue).contains(part["containedIn"]["@id"].get<std::string>()));
  }
  ASSERT_EQ(catalogue["hasPart"].size(), 2u);
  EXPECT_NE(catalogue["hasPart"][0]["@id"], catalogue["hasPart"][1]["@id"]);
  EXPECT_EQ(catalogue["wasGeneratedBy"].size(), 2u);
  EXPECT_EQ(catalogue["wasDerivedFrom"].size(), 2u);
  // One of them alone is as before.
  const auto alone = croissant(read_account(*parts[0].dataset));
  EXPECT_EQ(ids(alone), (std::set<std::string>{"source-0", "file-0"}));
  EXPECT_FALSE(alone.contains("hasPart"));
}

TEST_F(AccountTest, RulesAndSetsThatDifferAreToldApart) {
  auto ask = request({rows("a.jsonl", "a", 30, "a.com")}, 32);
  ask.decontaminate.action = "report", ask.decontaminate.ngram = 4;
  ask.evaluation_texts = {{"quiz", {"a a.com 1 and more", "what is never said"}}};
  const auto first = build(ask);
  auto other = request({rows("b.jsonl", "b", 30, "b.com")}, 32);
  other.decontaminate = ask.decontaminate, other.dedup.exact = true;
  other.evaluation_texts = {{"quiz", {"b b.com 2 and more"}}};
  const auto joined = join_accounts("two", std::nullopt, {{first, "one"}, {build(other), "other"}});
  const json& found = joined.report["decontamination"];
  EXPECT_EQ(found["looked_for"]["quiz"]["items"], 2);
  EXPECT_EQ(found["looked_for"]["quiz (other)"]["items"], 1);
  EXPECT_EQ(joined.report["rules"]["dedup"].size(), 1u);
  EXPECT_TRUE(joined.report["rules"]["dedup"].contains("other"));
  EXPECT_THAT(eu_summary(joined), HasSubstr("duplicates were dropped"));
}

TEST_F(AccountTest, ThePageSaysWhichRowsAndWhichCopies) {
  const auto file = write("<b>.jsonl", "{\"text\":\"one of two\"}\n{broken\n{\"text\":\"one of two\"}\n");
  auto ask = request({source(file)}, 8);
  ask.dedup.exact = true;
  const auto page = report_html(read_account(*build(ask)));
  EXPECT_THAT(page, HasSubstr("<td>&lt;b&gt;.jsonl:2: not JSON: "));
  EXPECT_THAT(page, HasSubstr("<td>&lt;b&gt;.jsonl:1</td><td>&lt;b&gt;.jsonl:3</td><td class=n>2</td>"));
  EXPECT_THAT(page, testing::Not(HasSubstr("<b>")));
}

TEST_F(AccountTest, TheOtherPartHasItsName) {
  auto ask = request({rows("a.jsonl", "a", 60, "a.com")}, 32);
  ask.validation_share = 0.3;
  EXPECT_THAT(report_html(read_account(*build(ask))), HasSubstr("in the other part (validation)"));
  ask.validation = true;
  EXPECT_THAT(report_html(read_account(*build(ask))), HasSubstr("in the other part (training)"));
}

TEST_F(AccountTest, WhatDoesNotAddUpIsRefused) {
  const auto one = build(request({rows("a.jsonl", "a", 30, "a.com")}, 32));
  const auto same = build(request({rows("b.jsonl", "b", 30, "b.com")}, 32), FakeTokenizer("<bos>"));
  EXPECT_THAT(error_of([&] {
                join_accounts("x", std::nullopt, {{one, ""}, {same, ""}});
              }),
              testing::AllOf(
                  HasSubstr(same->folder().string() + ": error: expected the tokenizer of " + one->folder().string()),
                  HasSubstr("do not add up"), HasSubstr("hint:")));
  EXPECT_THAT(error_of([&] {
                join_accounts("x", std::nullopt, {{one, ""}, {one, "again"}});
              }),
              HasSubstr("is given twice"));
  auto ask = request({rows("a.jsonl", "a", 60, "a.com")}, 32);
  ask.validation_share = 0.3;
  const auto train = build(ask);
  ask.validation = true;
  const auto held_out = build(ask);
  EXPECT_THAT(error_of([&] {
                join_accounts("x", std::nullopt, {{train, ""}, {held_out, ""}});
              }),
              HasSubstr("is what was held out of a dataset"));
  EXPECT_EQ(error_of([&] { join_accounts("x", std::nullopt, {{train, ""}, {one, ""}}); }), "no error");
}

}  // namespace
}  // namespace plumb::data
