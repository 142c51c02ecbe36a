// Builds from input that would take all memory, lose rows, or end a whole build for the sake of one document.
#include <fmt/format.h>
#include <sys/wait.h>
#include <zlib.h>

#include <algorithm>
#include <set>

#include "core/files.h"
#include "core/json.h"
#include "data/shards/writer.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

class BuildLimitsTest : public DataTest {
 protected:
  fs::path build(const BuildRequest& request, const std::string& cache = "cache") const {
    return Dataset::build(request, tokenizer_, *chat_, folder_ / cache);
  }
  // Rows that take little room on disk.
  std::string write_rows(const std::string& name, int count, const std::string& row) const {
    const auto path = (folder_ / name).string();
    gzFile out = gzopen(path.c_str(), "wb1");
    for (int i = 0; i < count; ++i) gzwrite(out, row.data(), static_cast<unsigned>(row.size()));
    gzclose(out);
    return path;
  }
  // By how much the memory of a process grows at most that builds this.
  int64_t growth(const BuildRequest& request) const {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins here
      const int64_t before = core::resident_memory();
      build(request);
      const int64_t grown = peak() - before;
      ::_exit(::write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
    }
    int64_t grown = -1;
    int status = 0;
    ::close(ends[1]);
    EXPECT_EQ(::read(ends[0], &grown, sizeof grown), static_cast<ssize_t>(sizeof grown));
    ::close(ends[0]);
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return grown;
  }
  static int64_t peak() {
    std::ifstream status("/proc/self/status");
    int64_t kibibytes = 0;
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) kibibytes = std::stoll(line.substr(6));
    }
    return kibibytes << 10;
  }
  fs::path documents(const std::string& cache) const {
    for (const auto& entry : fs::directory_iterator(folder_ / cache)) {
      if (entry.path().filename().string().starts_with("documents-")) return entry.path();
    }
    return {};
  }

  FakeTokenizer tokenizer_;
  ChatTemplatePtr chat_ = chat_template("plain", "", tokenizer_);
};

#ifndef __SANITIZE_ADDRESS__  // which keeps what was freed
TEST_F(BuildLimitsTest, ColumnsThatAreNotReadTakeNoMemory) {
  const auto row = fmt::format("{{\"text\":\"a hundred bytes or so\",\"html\":\"{}\"}}\n", std::string(100'000, 'x'));
  EXPECT_LT(growth(request({source(write_rows("rows.jsonl.gz", 1200, row))}, 64)), int64_t{40} << 20);
}

TEST_F(BuildLimitsTest, MemoryDoesNotGrowWithTheCorpus) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += fmt::format("word{} ", i * 7919 % 1000);
  const auto row = fmt::format("{{\"text\":\"{}\",\"url\":\"https://example.org/\"}}\n", text);
  const auto grown = [&](const std::string& name, int rows) {
    auto ask = request({source(write_rows(name, rows, row))}, 512, "best_fit");
    ask.unit_bytes = 1 << 20, ask.threads = 2, ask.too_long = "split";
    ask.clean.repair = true, ask.privacy.action = "replace";
    return growth(ask);
  };
  const auto small = grown("small.jsonl.gz", 4000), large = grown("large.jsonl.gz", 24'000);  // 6 and 36 MB of text
  EXPECT_LT(large, small + (int64_t{8} << 20)) << small;
  EXPECT_LT(large, int64_t{64} << 20);
}

TEST_F(BuildLimitsTest, MalformedRowsTakeNoMemory) {
  const auto broken = source(write_rows("rows.jsonl.gz", 400'000, "{\"body\":1}\n"));
  auto ask = request({broken, source(write("fine.txt", "a text"))}, 4);
  ask.unit_bytes = 4 << 20;
  EXPECT_LT(growth(ask), int64_t{40} << 20);
  EXPECT_EQ(Dataset::open(build(ask))->report().malformed, 400'000);
}

TEST_F(BuildLimitsTest, DroppedDocumentsTakeNoMemory) {
  std::string rows;  // one text is kept; the others are its copies or hold an address
  for (int i = 0; i < 1000; ++i) rows += i % 2 ? "{\"text\":\"to a@b.io\"}\n" : "{\"text\":\"a text like others\"}\n";
  auto ask = request({source(write_rows("rows.jsonl.gz", 400, rows))}, 4);
  ask.unit_bytes = 4 << 20;
  ask.privacy.drop = {"email"}, ask.dedup.exact = true;
  EXPECT_LT(growth(ask), int64_t{40} << 20);
  const auto list = Dataset::open(build(ask))->text_file("dropped.jsonl");
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 399'999);
}
#endif

TEST_F(BuildLimitsTest, AKilledBuildGoesOnBehindMalformedRows) {
  const auto broken = source(write_rows("rows.jsonl.gz", 3000, "{\"body\":1}\n"));
  auto ask = request({broken, source(write("fine.txt", "a text"))}, 4);
  ask.unit_bytes = 16 << 10;
  const auto whole = build(ask);
  const auto quarantine = slurp(whole / "quarantine.jsonl");
  EXPECT_EQ(std::count(quarantine.begin(), quarantine.end(), '\n'), 3000);
  for (int line = 1, at = 0; line <= 3000; ++line) {
    const auto expected = fmt::format("{{\"where\":\"rows.jsonl.gz:{}\",", line);
    ASSERT_EQ(quarantine.compare(static_cast<size_t>(at), expected.size(), expected), 0) << line;
    at = static_cast<int>(quarantine.find('\n', static_cast<size_t>(at))) + 1;
  }
  // As if killed behind the third chunk of the first file.
  std::set<fs::path> kept;
  const auto folder = documents("cache");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with("docs-00000-00") && name[13] < '3') kept.insert(entry.path());
  }
  EXPECT_EQ(kept.size(), 9u);  // documents, malformed, counts
  EXPECT_TRUE(fs::exists(folder / "docs-00000-009.json"));
  std::map<fs::path, fs::file_time_type> times;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (kept.count(entry.path()))
      times[entry.path()] = entry.last_write_time();
    else
      fs::remove_all(entry.path());
  }
  fs::remove_all(whole);
  EXPECT_EQ(build(ask), whole);
  EXPECT_EQ(slurp(whole / "quarantine.jsonl"), quarantine);
  for (const auto& [path, time] : times) EXPECT_EQ(fs::last_write_time(path), time) << path;
}

TEST_F(BuildLimitsTest, DamagedFilesAreCountedOnceWhereverAChunkEnds) {
  for (int i = 0; i < 12; ++i) write(fmt::format("many/{:03}.json", i), "[{\"text\": \"a\"}, 5");
  auto ask = request({source((folder_ / "many").string())}, 4);
  const auto whole = Dataset::open(build(ask, "one"))->report();
  EXPECT_EQ(whole.malformed, 24);
  EXPECT_EQ(whole.kept, 12);
  ask.unit_bytes = 64;  // a chunk ends behind every row
  const auto folder = build(ask, "two");
  const auto cut = Dataset::open(folder)->report();
  EXPECT_EQ(cut.malformed, 24);
  EXPECT_EQ(cut.kept, 12);
  for (const auto& entry : fs::directory_iterator(documents("two"))) {  // as if killed within each unit
    const auto name = entry.path().filename().string();
    if (!name.starts_with("docs-") || name.find("-000.") == std::string::npos) fs::remove_all(entry.path());
  }
  fs::remove_all(folder);
  const auto again = Dataset::open(build(ask, "two"))->report();
  EXPECT_EQ(again.malformed, 24);
  EXPECT_EQ(again.kept, 12);
}

// Gives up on some texts and makes nothing of others, as tokenizers do whose normalizer strips or whose pattern has a
// limit.
class Fussy : public FakeTokenizer {
 public:
  void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
              EncodeCounts* counts) const override {
    if (text.find("without end") != std::string_view::npos) fail_input("fussy.json", "gave up on a text");
    if (text != "\u3000") FakeTokenizer::encode(text, ids, mode, counts);
  }
};

TEST_F(BuildLimitsTest, ATextThatTheTokenizerCannotTakeEndsNoBuild) {
  std::string rows, chats;
  for (int i = 0; i < 30; ++i) {
    rows += fmt::format("{{\"text\":\"{}\"}}\n", i % 10 == 3 ? "goes on without end" : i % 10 == 7 ? "\u3000" : "fine");
    chats += fmt::format("{{\"prompt\":\"why\",\"completion\":\"{}\"}}\n", i % 10 == 4 ? "without end" : "so");
  }
  const Fussy fussy;
  auto ask = request({source(write("rows.jsonl", rows)), source(write("chats.jsonl", chats), "prompt_completion")}, 64,
                     "best_fit");
  for (const uint64_t unit : {uint64_t{64} << 20, uint64_t{256}}) {
    ask.unit_bytes = unit;
    const auto dataset = Dataset::open(Dataset::build(ask, fussy, *chat_, folder_ / "cache"));
    const auto report = dataset->report();
    EXPECT_EQ(report.kept, 24 + 27);
    EXPECT_EQ(report.malformed, 6);
    EXPECT_EQ(report.empty, 3);
    EXPECT_EQ(report.documents, 60);
    EXPECT_EQ(report.first_malformed.at(0), "rows.jsonl:4: gave up on a text");
    std::string expected;
    for (const char* where :
         {"rows.jsonl:4", "rows.jsonl:14", "rows.jsonl:24", "chats.jsonl:5", "chats.jsonl:15", "chats.jsonl:25"}) {
      expected += fmt::format("{{\"where\":\"{}\",\"reason\":\"gave up on a text\"}}\n", where);
    }
    EXPECT_EQ(dataset->text_file("quarantine.jsonl"), expected);
  }
  ask.strict = true;
  const auto strict = [&](const std::string& cache) {
    return error_of([&] { Dataset::build(ask, fussy, *chat_, folder_ / cache); });
  };
  EXPECT_THAT(strict("cache"), testing::HasSubstr("rows.jsonl:4"));  // built before
  EXPECT_THAT(strict("strict"), testing::AllOf(testing::HasSubstr("rows.jsonl:4"), testing::HasSubstr("gave up")));
}

// What has one token more than the texts that make none: nothing but the token that begins every document.
TEST_F(BuildLimitsTest, ATextOfNoTokensIsEmptyBehindABeginningToo) {
  class Begins : public Fussy {
   public:
    std::optional<int32_t> bos() const override { return 65; }
    void encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const override {
      ids.push_back(65);
      encode(text, ids, SpecialInText::token, nullptr);
    }
  };
  const auto rows = write("rows.jsonl", "{\"text\":\"\u3000\"}\n{\"text\":\"fine\"}\n");
  const auto folder = Dataset::build(request({source(rows)}, 64, "best_fit"), Begins(), *chat_, folder_ / "cache");
  EXPECT_EQ(Dataset::open(folder)->report().empty, 1);
  EXPECT_EQ(Dataset::open(folder)->sample(0).ids, (std::vector<int32_t>{65, 'f', 'i', 'n', 'e', 256}));
}

// A dataset is named by what its files held when they were hashed: rows that come later are none of it.
TEST_F(BuildLimitsTest, AFileThatChangesWhileItIsReadIsNoticed) {
  std::string rows;
  for (int i = 0; i < 1000; ++i) rows += fmt::format("{{\"text\":\"row {}\"}}\n", i);
  const auto file = write("growing.jsonl", rows);
  const auto ask = request({source(file)}, 64);
  bool grown = false;
  const auto progress = [&](const BuildProgress& now) {
    if (now.phase != "reading" || std::exchange(grown, true)) return;
    std::ofstream(file, std::ios::app) << "{\"text\":\"late\"}\n";
  };
  const auto error = error_of([&] { Dataset::build(ask, tokenizer_, *chat_, folder_ / "cache", progress); });
  EXPECT_TRUE(grown);
  EXPECT_THAT(error, testing::HasSubstr("growing.jsonl: error: changed while it was read"));
  EXPECT_EQ(Dataset::open(build(ask))->report().kept, 1001);
}

// What stands under a dataset's name without a manifest is of no use to anybody, and not in the way.
TEST_F(BuildLimitsTest, AFolderWithoutAManifestIsReplaced) {
  const auto ask = request({source(write("a.txt", "a text"))}, 4);
  const auto folder = build(ask);
  fs::remove(folder / "manifest.json");
  EXPECT_EQ(build(ask), folder);
  EXPECT_EQ(Dataset::open(folder)->documents(), 1);
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".removed")) << entry.path();
  }
}

// The same dataset with other bytes in a file, in order as far as its own hashes go.
void sign_again(const fs::path& folder, const std::string& changed, const std::function<void(std::string&)>& change) {
  auto content = core::parse_json_file(folder / "manifest.json")["content"];
  std::vector<HashedFile> files;
  for (const auto& file : content["files"]) {
    const auto name = file[0].get<std::string>();
    auto bytes = core::read_text(folder / name);
    if (name == changed) change(bytes);
    files.push_back(write_hashed(folder, name, bytes));
  }
  std::vector<PartCounts> parts;
  for (const auto& part : content["parts"]) parts.push_back({part[0], part[1], part[2], part[3], part[4]});
  write_manifest(folder, content, parts, files);
}

TEST_F(BuildLimitsTest, TokensOfAnotherDocumentAreFound) {
  auto chats = source(write("chats.jsonl",
                            R"({"messages":[{"role":"user","content":"ask"},{"role":"assistant","content":"say"}]})"
                            "\n"));
  chats.format = "messages";
  const auto folder =
      build(request({source(write("rows.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n")), chats}, 16));
  const auto whole = Dataset::open(folder);
  ASSERT_EQ(whole->documents(), 3);
  for (int64_t document = 0; document < 3; ++document) whole->verify_document(document);
  // The first two documents change their tokens, which have the same length; every block is as the manifest says.
  sign_again(folder, "tokens-00000.bin", [&](std::string& bytes) {
    const auto width = (bytes.size() - sizeof(FileHeader)) / static_cast<size_t>(whole->sample(0).ids.size() * 2);
    const auto length = width * whole->sample(0).ids.size();
    std::swap_ranges(bytes.begin() + sizeof(FileHeader), bytes.begin() + sizeof(FileHeader) + static_cast<long>(length),
                     bytes.begin() + sizeof(FileHeader) + static_cast<long>(length));
  });
  const auto swapped = Dataset::open(folder);
  swapped->verify();
  EXPECT_THAT(error_of([&] { swapped->verify_document(1); }),
              testing::HasSubstr("tokens-00000.bin: error: document 1 (rows.jsonl:2): expected tokens whose XXH3 is"));
}

// Documents are compared with evaluation items after cleaning and privacy: the items must have gone the same way.
TEST_F(BuildLimitsTest, ItemsAreComparedAsTheDocumentsStandInTheDataset) {
  const std::string wide =
      "ｗｈｉｃｈ ｒｉｖｅｒ ｆｌｏｗｓ ｔｈｒｏｕｇｈ ｔｈｅ ｏｌｄ ｔｏｗｎ ｏｆ ｈｅｉｄｅｌｂｅｒｇ";
  const std::string mail = "ask kim.minsu@example.org or lee.jiwoo@example.org about rooms in town";
  const std::string rows =
      fmt::format("{{\"text\":\"quiz: {}\"}}\n{{\"text\":\"note: {}\"}}\n{{\"text\":\"else\"}}\n", wide, mail);
  auto ask = request({source(write("rows.jsonl", rows))}, 64);
  ask.decontaminate.action = "drop", ask.decontaminate.ngram = 8;
  ask.evaluation_texts = {{"exam", {wide, mail}}};
  EXPECT_EQ(Dataset::open(build(ask))->report().contaminated, 2);
  ask.clean.normalize = "nfkc";
  EXPECT_EQ(Dataset::open(build(ask))->report().contaminated, 2);
  ask.privacy.action = "replace";
  EXPECT_EQ(Dataset::open(build(ask))->report().contaminated, 2);
}

}  // namespace
}  // namespace plumb::data
