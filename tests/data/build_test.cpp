// Builds that are killed, shared by processes, cut into units: always the same bytes, and every document accounted for.
#include <fmt/format.h>
#include <sys/wait.h>
#include <zlib.h>

#include <algorithm>
#include <set>

#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/shards/hashed_file.h"
#include "data/shards/merkle.h"
#include "data/training_texts.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

class BuildTest : public DataTest {
 protected:
  fs::path build(const BuildRequest& request, const fs::path& cache) const {
    return Dataset::build(request, tokenizer_, *chat_, cache);
  }
  // In a process of its own; returns its pid.
  pid_t start(BuildRequest request, const fs::path& cache, int part, int parts, bool quiet = true) const {
    request.crew = {part, parts, 20};
    const pid_t child = ::fork();
    if (child != 0) return child;
    if (quiet) std::freopen("/dev/null", "w", stderr);
    try {
      build(request, cache);
    } catch (const std::exception& error) {
      std::fprintf(stdout, "%s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  static int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  static void expect_equal(const fs::path& a, const fs::path& b) {
    std::set<std::string> names, others;
    for (const auto& entry : fs::directory_iterator(a)) names.insert(entry.path().filename());
    for (const auto& entry : fs::directory_iterator(b)) others.insert(entry.path().filename());
    EXPECT_EQ(names, others);
    for (const auto& name : names) EXPECT_EQ(slurp(a / name), slurp(b / name)) << name;
  }
  // Letters only: near duplicates are compared without their digits.
  static std::string name(unsigned long number) {
    std::string letters = "x";
    for (; number > 0; number /= 26) letters += static_cast<char>('a' + number % 26);
    return letters;
  }
  // Documents of several files and kinds with copies, near copies, malformed and blank rows; a gzip file is one unit.
  BuildRequest mixed(int scale) const {
    std::string rows;
    for (int i = 0; i < 40 * scale; ++i) {
      if (i % 37 == 5) rows += "{broken\n";
      if (i % 41 == 7) rows += "{\"text\":\" \"}\n";
      std::string text;  // of every three one again as it was, and one with another end
      std::mt19937 words(static_cast<unsigned>(i / 3));
      for (int w = 0; w < 60; ++w) text += name(words() % 5000) + " ";
      if (i % 3 == 1) text += "tail";
      rows +=
          nlohmann::json{{"text", text}, {"url", fmt::format("https://www.site{}.co.kr/page", i % 5)}}.dump() + "\n";
    }
    const auto plain = write("mixed/plain.jsonl", rows);
    const auto zipped = (folder_ / "mixed/zipped.jsonl.gz").string();
    gzFile out = gzopen(zipped.c_str(), "wb1");
    for (int i = 0; i < 30 * scale; ++i)
      gzprintf(out, "{\"text\":\"zipped %s %s\"}\n", name(static_cast<unsigned>(i)).c_str(),
               std::string(i % 90, 'z').c_str());
    gzclose(out);
    for (int i = 0; i < 5; ++i)
      write(fmt::format("mixed/notes/{}.txt", i),
            "a note of its own, called " + name(static_cast<unsigned>(i) + 77) + "\n");
    auto ask = request({source((folder_ / "mixed").string())}, 64, "best_fit");
    ask.too_long = "split";
    ask.dedup.exact = ask.dedup.minhash = true;
    ask.unit_bytes = 16 << 10;
    return ask;
  }
  static nlohmann::ordered_json account(const fs::path& folder) {
    return core::parse_json(Dataset::open(folder)->text_file("report.json"), "report.json");
  }
  static void expect_balance(const BuildReport& r) {
    EXPECT_EQ(r.documents, r.kept + r.held_out + r.malformed + r.filtered + r.personal + r.contaminated + r.duplicates +
                               r.empty + r.too_long);
    EXPECT_TRUE(r.ledger.balanced());
    EXPECT_EQ(r.ledger.in - r.ledger.too_long, r.tokens);
  }

  FakeTokenizer tokenizer_;
  ChatTemplatePtr chat_ = chat_template("plain", "", tokenizer_);
};

TEST(Merkle, RootsOfTheReferenceTree) {
  const std::string leaves[] = {"",
                                std::string(1, '\0'),
                                "\x10",
                                "\x20\x21",
                                "\x30\x31",
                                "\x40\x41\x42\x43",
                                "\x50\x51\x52\x53\x54\x55\x56\x57",
                                "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"};
  const std::map<int, std::string> roots{{0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                                         {1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
                                         {2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
                                         {3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
                                         {7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
                                         {8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"}};
  MerkleTree tree;
  for (int n = 0; n <= 8; ++n) {
    if (roots.count(n)) {
      EXPECT_EQ(tree.root(), roots.at(n)) << n;
    }
    if (n < 8) tree.add(std::string_view(leaves[n]));
  }
}

TEST_F(BuildTest, FilesBeyondFourGigabytes) {
  const auto path = folder_ / "large.bin";
  std::ofstream(path).put(0);
  const uint64_t bytes = uint64_t{5} << 30;
  fs::resize_file(path, bytes);  // no blocks on disk
  const std::vector<std::byte> zero(kBlock);
  std::vector<uint64_t> blocks(bytes / kBlock, core::xxh3(std::span(zero)));
  const VerifiedFile file(path, LocalFile(path), bytes, blocks);
  EXPECT_EQ(*file.at(bytes - 1, 1), std::byte{0});
  blocks[4500] ^= 1;
  EXPECT_THAT(error_of([&] { file.at((uint64_t{4500} << 20) + 5, 1); }),
              testing::HasSubstr("bytes 4718592000 to 4719640576"));
}

TEST_F(BuildTest, AnyNumberOfProcessesGivesTheSameBytes) {
  const auto ask = mixed(20);
  const auto one = build(ask, folder_ / "one");
  const auto dataset = Dataset::open(one);
  expect_balance(dataset->report());
  EXPECT_GT(dataset->report().duplicates, 0);
  dataset->verify();
  for (const int parts : {2, 3}) {
    const auto cache = folder_ / fmt::format("cache{}", parts);
    std::vector<pid_t> children;
    for (int part = 0; part < parts; ++part) children.push_back(start(ask, cache, part, parts));
    for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
    expect_equal(one, cache / one.filename());
    for (const auto& entry : fs::directory_iterator(cache)) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".crew")) << entry.path();
      EXPECT_FALSE(entry.path().filename().string().starts_with(".building")) << entry.path();
    }
  }
}

TEST_F(BuildTest, KilledAnywhereItGoesOnToTheSameBytes) {
  const auto ask = mixed(60);
  const auto begin = std::chrono::steady_clock::now();
  const auto whole = build(ask, folder_ / "whole");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::mt19937 random(7);
  for (const int parts : {1, 2}) {
    const auto cache = folder_ / fmt::format("killed{}", parts);
    const auto folder = cache / whole.filename();
    int kills = 0;
    for (int i = 0; i < 24 && !fs::exists(folder / "manifest.json"); ++i) {
      std::vector<pid_t> children;
      for (int part = 0; part < parts; ++part) children.push_back(start(ask, cache, part, parts));
      const double share = std::uniform_real_distribution<>(0.02, 0.12)(random);
      ::usleep(static_cast<useconds_t>(took.count() * share * 1e6));
      for (const pid_t child : children) ::kill(child, SIGKILL);
      for (const pid_t child : children) kills += WIFSIGNALED(wait_for(child));
    }
    EXPECT_GE(kills, 6);
    EXPECT_EQ(build(ask, cache), folder);
    expect_equal(whole, folder);
  }
}

// What a killed process left is used: the clock stands still for finished chunks.
TEST_F(BuildTest, FinishedChunksAreNotReadAgain) {
  auto ask = mixed(20);
  const auto whole = build(ask, folder_ / "whole");
  const auto cache = folder_ / "again";
  build(ask, cache);
  fs::path documents;
  for (const auto& entry : fs::directory_iterator(cache)) {
    if (entry.path().filename().string().starts_with("documents-")) documents = entry.path();
  }
  ASSERT_FALSE(documents.empty());
  // As if killed while the second chunk of every unit was written.
  std::map<fs::path, fs::file_time_type> kept;
  int taken = 0;
  for (const auto& entry : fs::directory_iterator(documents)) {
    const auto name = entry.path().filename().string();
    const bool first = name.starts_with("docs-") && name.find("-000.") != std::string::npos;
    if (first)
      kept[entry.path()] = entry.last_write_time();
    else
      ++taken;
  }
  for (const auto& entry : fs::directory_iterator(documents)) {
    if (!kept.count(entry.path())) fs::remove_all(entry.path());
  }
  EXPECT_GT(taken, 20);
  EXPECT_TRUE(std::any_of(kept.begin(), kept.end(), [&](const auto& file) {  // of the zipped file, not at its end
    const auto counts = file.first.string();
    return counts.ends_with(".json") && slurp(file.first).find("[0,") != std::string::npos;
  }));
  fs::remove_all(cache / whole.filename());
  expect_equal(whole, build(ask, cache));
  for (const auto& [path, time] : kept) EXPECT_EQ(fs::last_write_time(path), time) << path;
}

TEST_F(BuildTest, AVanishedProcessIsNamedAndItsShareTakenOver) {
  auto ask = mixed(5);
  const auto whole = build(ask, folder_ / "whole");
  ask.crew = {1, 3, 0.5};  // nobody else ever starts
  testing::internal::CaptureStderr();
  const auto alone = build(ask, folder_ / "alone");
  const auto told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, testing::HasSubstr("process 0 of 3"));
  EXPECT_THAT(told, testing::HasSubstr("process 2 of 3"));
  EXPECT_THAT(told, testing::HasSubstr("taken over"));
  expect_equal(whole, alone);
}

TEST_F(BuildTest, BlankDocumentsAreEmptyAndNoDuplicates) {
  std::string rows;
  for (const char* text : {"one text", " ", "", "one text", "\\n", "another text", "\u200b", "\u200b "})
    rows += fmt::format("{{\"text\":\"{}\"}}\n", text);
  auto ask = request({source(write("blank.jsonl", rows))}, 4);
  ask.clean.repair = true;  // takes zero-width spaces out
  for (const bool exact : {false, true}) {
    ask.dedup.exact = exact;
    const auto folder = build(ask, folder_ / "cache");
    const auto report = Dataset::open(folder)->report();
    EXPECT_EQ(report.empty, 5) << exact;
    EXPECT_EQ(report.duplicates, exact ? 1 : 0);
    EXPECT_EQ(report.kept, exact ? 2 : 3);
    expect_balance(report);
    EXPECT_THAT(Dataset::open(folder)->text_file("dropped.jsonl"),
                testing::StartsWith(R"({"where":"blank.jsonl:2","source":"blank","rule":"empty"})"));
  }
}

TEST_F(BuildTest, TheAccountSaysWhatBecameOfEveryDocument) {
  auto ask = mixed(10);
  ask.sources[0].license = "CC0-1.0";
  ask.privacy.action = "replace";
  write("mixed/personal.jsonl", "{\"text\":\"write to somebody@example.org or somebody@example.org now\"}\n");
  const auto folder = build(ask, folder_ / "cache");
  const auto dataset = Dataset::open(folder);
  const auto report = dataset->report();
  expect_balance(report);
  EXPECT_EQ(report.malformed, 400 / 37 + (400 % 37 > 5));
  EXPECT_GT(report.duplicates, 0);
  const auto told = account(folder);
  EXPECT_EQ(told["format"], "plumb-report-1");
  EXPECT_EQ(told["totals"]["documents"].get<int64_t>(), report.documents);
  EXPECT_EQ(told["sources"][0]["license"], "CC0-1.0");
  EXPECT_EQ(told["sources"][0]["files"], 8);
  EXPECT_EQ(told["duplicates"]["exact"].get<int64_t>() + told["duplicates"]["near"].get<int64_t>(), report.duplicates);
  const auto& largest = told["duplicates"]["largest"][0];
  EXPECT_EQ(largest["size"], told["duplicates"]["clusters"]["largest"][0]["size"]);
  EXPECT_THAT(largest["kept"].get<std::string>(), testing::StartsWith("plain.jsonl:"));
  EXPECT_THAT(largest["dropped"][0].get<std::string>(), testing::StartsWith("plain.jsonl:"));
  EXPECT_EQ(told["privacy"]["found"]["email"], 2);
  EXPECT_EQ(told["domains"].size(), 5u);
  EXPECT_TRUE(std::any_of(told["domains"].begin(), told["domains"].end(), [](const auto& row) {
    return row[0] == "site3.co.kr";
  })) << told["domains"].dump();
  int64_t lengths = 0;
  for (const auto& count : told["lengths"]["tokens"]) lengths += count.get<int64_t>();
  EXPECT_EQ(lengths, report.kept);
  std::set<std::string> places;
  for (int64_t d = 0; d < dataset->documents(); ++d) places.insert(dataset->document_where(d));
  EXPECT_EQ(static_cast<int64_t>(places.size()), dataset->documents());
  EXPECT_TRUE(places.count("notes/3.txt"));
  const auto quarantine = dataset->text_file("quarantine.jsonl");
  EXPECT_EQ(std::count(quarantine.begin(), quarantine.end(), '\n'), report.malformed);
  EXPECT_THAT(quarantine, testing::HasSubstr("plain.jsonl:6"));
  for (int64_t d = 0; d < dataset->documents(); ++d) {
    EXPECT_EQ(tokenizer_.decode(dataset->sample(d).ids, true).find("somebody@"), std::string::npos);
  }
}

TEST_F(BuildTest, HeldOutAndDroppedDocumentsAreNoTrainingTexts) {
  auto ask = mixed(10);
  ask.validation_share = 0.2;
  const auto train = Dataset::open(build(ask, folder_ / "cache"));
  std::multiset<std::string> texts, trained;
  const TrainingTexts training(ask, folder_ / "cache");
  training.each([&](const std::string& text) {
    if (text.find_first_not_of(" \n") != std::string::npos) texts.insert(text);
  });
  for (int64_t d = 0; d < train->documents(); ++d) trained.insert(tokenizer_.decode(train->sample(d).ids, true));
  EXPECT_EQ(texts, trained);
  ask.validation = true;
  const auto validation = Dataset::open(build(ask, folder_ / "cache"));
  EXPECT_EQ(validation->report().kept, train->report().held_out);
  EXPECT_EQ(validation->report().empty, train->report().empty);  // which are in neither part
  for (int64_t d = 0; d < validation->documents(); ++d) {
    EXPECT_FALSE(trained.count(tokenizer_.decode(validation->sample(d).ids, true)));
  }
  const auto key = training.key();
  ask.validation_share = 0.3;
  EXPECT_NE(TrainingTexts(ask, folder_ / "cache").key(), key);
}

TEST_F(BuildTest, WhatARunHoldsOutIsLeftOutOfOtherTextsToo) {
  std::string lines, more;
  for (int i = 0; i < 60; ++i) lines += fmt::format("{{\"text\":\"document number {}\"}}\n", i);
  for (int i = 0; i < 7; ++i) more += fmt::format("{{\"text\":\"validation {}\"}}\n", i);
  const auto file = write("run.jsonl", lines), own = write("validation.jsonl", more);
  auto run = request({source(file)}, 16);
  run.validation_share = 0.25;
  const TrainingTexts trained_on(run, folder_ / "cache"), validation(request({source(own)}, 16), folder_ / "cache");
  const auto texts_of = [](const TrainingTexts& texts) {
    std::multiset<std::string> found;
    texts.each([&](const std::string& text) { found.insert(text); });
    return found;
  };
  const auto kept = texts_of(trained_on);
  ASSERT_LT(kept.size(), 60u);
  // The same documents in another file, and those of the validation sources.
  TrainingTexts other(request({source(write("copy.jsonl", lines + more))}, 16), folder_ / "cache");
  const auto all = other.key();
  EXPECT_EQ(texts_of(other).size(), 67u);
  other.leave_out_what_is_held_out_of(trained_on);
  const auto without = other.key();
  other.leave_out_documents_of(validation);
  EXPECT_EQ(texts_of(other), kept);
  EXPECT_EQ(std::set<std::string>({all, without, other.key()}).size(), 3u);
  // Few documents are cut: their tails are left out.
  const auto text = write("long.txt", "abcdefghij");
  auto few = request({source(text)}, 4);
  few.validation_share = 0.3;
  const TrainingTexts head(few, folder_ / "cache");
  TrainingTexts same(request({source(text)}, 4), folder_ / "cache");
  same.leave_out_what_is_held_out_of(head);
  EXPECT_EQ(texts_of(same), (std::multiset<std::string>{"abcdefg"}));
}

TEST_F(BuildTest, OneSourceAmongOthersIsDeduplicatedAsAmongAll) {
  std::string a, b;
  for (int i = 0; i < 60; ++i) a += fmt::format("{{\"text\":\"shared document {}\"}}\n", i);
  for (int i = 40; i < 100; ++i) b += fmt::format("{{\"text\":\"shared document {}\"}}\n", i);
  auto ask = request({source(write("a.jsonl", a)), source(write("b.jsonl", b))}, 64);
  ask.dedup.exact = true;
  ask.only_source = 0;
  EXPECT_EQ(Dataset::open(build(ask, folder_ / "cache"))->documents(), 60);
  ask.only_source = 1;
  const auto second = Dataset::open(build(ask, folder_ / "cache"));
  EXPECT_EQ(second->documents(), 40);
  EXPECT_EQ(second->report().duplicates, 20);
  EXPECT_EQ(second->document_source(0), "b");
  EXPECT_EQ(second->document_where(0), "b.jsonl:21");
  expect_balance(second->report());
}

TEST_F(BuildTest, UnchangedFilesAreNotHashedAgain) {
  const auto file = write("text.jsonl", "{\"text\":\"one of these\"}\n");
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(file, old);
  ::usleep(2'100'000);  // younger than that the kernel's clock could stand still over a change
  const auto ask = request({source(file)}, 8);
  int hashed = 0;
  const auto build_again = [&] {
    hashed = 0;
    return Dataset::build(ask, tokenizer_, *chat_, folder_ / "cache",
                          [&](const BuildProgress& now) { hashed += now.phase == "hashing"; });
  };
  const auto first = build_again();
  EXPECT_GT(hashed, 0);
  EXPECT_EQ(build_again(), first);
  EXPECT_EQ(hashed, 0);
  {
    std::fstream in_place(file, std::ios::in | std::ios::out);
    in_place.seekp(9), in_place << "two";
  }
  fs::last_write_time(file, old);  // same size, inode and time of modification, as rsync and tar leave it
  EXPECT_NE(build_again(), first);
  EXPECT_GT(hashed, 0);
}

TEST_F(BuildTest, FoldersOfOtherVersionsAreRefused) {
  write("old/manifest.json", "{\"format\":\"plumb-dataset-1\",\"digest\":\"\",\"content\":{}}");
  const auto error = error_of([&] { Dataset::open(folder_ / "old"); });
  EXPECT_THAT(error, testing::HasSubstr("found plumb-dataset-1"));
  EXPECT_THAT(error, testing::HasSubstr("plumb data build CFG builds it again"));
}

TEST_F(BuildTest, StrictNamesTheRow) {
  auto ask = mixed(2);
  ask.strict = true;
  EXPECT_THAT(error_of([&] { build(ask, folder_ / "cache"); }), testing::HasSubstr("plain.jsonl:6"));
  ask.strict = false;
  build(ask, folder_ / "cache");
  ask.strict = true;
  EXPECT_THAT(error_of([&] { build(ask, folder_ / "cache"); }), testing::HasSubstr("plain.jsonl:6"));
}

TEST_F(BuildTest, AtMostSoManyDocumentsWhateverTheUnits) {
  auto ask = mixed(10);
  ask.dedup = {};
  ask.sources[0].max_documents = 100;
  const auto few = Dataset::open(build(ask, folder_ / "cache"))->report();
  EXPECT_EQ(few.documents, 100);
  EXPECT_GT(few.malformed, 0);
}

}  // namespace
}  // namespace plumb::data
