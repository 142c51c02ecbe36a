// What a build keeps between its phases: counts that add up, documents that come back as they were or not at all.
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <set>

#include "core/files.h"
#include "data/build/counts.h"
#include "data/build/passed_over.h"
#include "data/build/stored.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

class BuildFilesTest : public DataTest {
 protected:
  fs::path build(const BuildRequest& request, const Progress& progress = {}) const {
    return Dataset::build(request, tokenizer_, *chat_, folder_ / "cache", progress);
  }
  FakeTokenizer tokenizer_;
  ChatTemplatePtr chat_ = chat_template("plain", "", tokenizer_);
};

TEST(Domains, AreWhatSomebodyRegistered) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://www.example.com/a/b?c#d", "example.com"},
      {"http://user@sub.sub.example.co.kr:8080/x", "example.co.kr"},
      {"https://www.go.kr", "www.go.kr"},
      {"go.kr", "go.kr"},
      {"HTTPS://WWW.Example.ORG.", "example.org"},
      {"example.ac.uk/path", "example.ac.uk"},
      {"https://t.co/abc", "t.co"},
      {"https://a.b.co", "b.co"},
      {"http://127.0.0.1:80/", "127.0.0.1"},
      {"localhost:3000", "localhost"},
      {"", ""},
      {"https://", ""},
      {"not a url", ""},
  };
  for (const auto& [url, domain] : cases) EXPECT_EQ(registrable_domain(url), domain) << url;
}

TEST(Shapes, StayBoundedAndLoseNothing) {
  Shape all;
  int64_t documents = 0, bytes = 0;
  for (int part = 0; part < 6; ++part) {
    Shape some;
    for (int i = 0; i < 50'000; ++i) {
      const int number = part * 40'000 + i;
      some.add(i % 2   ? "en"
               : i % 4 ? "ko"
                       : "",
               i % 8 ? "fr" : "", fmt::format("d{}.org", number), 100 + number % 7, 1 << (i % 12));
      ++documents, bytes += 100 + number % 7;
    }
    all += Shape::from_json(some.json());
  }
  EXPECT_LE(all.domains.size(), 2 * Shape::kMostDomains);
  EXPECT_GT(all.other_domains.documents, 0);
  auto sum = all.other_domains;
  for (const auto& [name, amount] : all.domains) sum.documents += amount.documents, sum.bytes += amount.bytes;
  EXPECT_EQ(sum.documents, documents);
  EXPECT_EQ(sum.bytes, bytes);
  EXPECT_EQ(all.languages.at("en").documents, documents / 2);
  EXPECT_EQ(all.languages.at("ko").documents, documents / 4);
  EXPECT_EQ(all.stated_languages.at("fr").documents, documents / 8);
  EXPECT_EQ(all.stated_languages.at("").documents, documents / 8);
  EXPECT_EQ(all.tokens[0] + all.tokens[11], 6 * (4167 + 4166));
  EXPECT_EQ(all.bytes[6], documents);  // 64 to 127
}

TEST_F(BuildFilesTest, DocumentsComeBackAsTheyWere) {
  std::vector<StoredDocument> documents(200);
  std::string all;
  for (size_t i = 0; i < documents.size(); ++i) {
    auto& document = documents[i];
    document.file = static_cast<uint32_t>(i * 7), document.line = i * i, document.language = i % 3 ? "ko" : "";
    document.text = std::string(i * 1000, static_cast<char>(i));
    if (i % 5 == 1) document.text.clear(), document.messages = {{"user", "question", "context"}, {"assistant", ""}};
    append_document(all, document);
  }
  const auto path = folder_ / "docs.zst";
  {
    StoredWriter abandoned(path);
    abandoned.write(all);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  StoredWriter writer(path);
  writer.write(all.substr(0, 12345));
  writer.write(all.substr(12345));
  writer.commit();
  const auto read = [&] {
    StoredReader reader(path);
    StoredDocument got;
    for (size_t i = 0; i < documents.size(); ++i) {
      if (i % 4 == 2) {
        EXPECT_TRUE(reader.skip(got));
        EXPECT_EQ(got.file, documents[i].file);
        EXPECT_EQ(got.line, documents[i].line);
        continue;
      }
      ASSERT_TRUE(reader.next(got)) << i;
      EXPECT_EQ(got.file, documents[i].file);
      EXPECT_EQ(got.line, documents[i].line);
      EXPECT_EQ(got.language, documents[i].language);
      EXPECT_EQ(got.text, documents[i].text);
      ASSERT_EQ(got.messages.size(), documents[i].messages.size());
      for (size_t m = 0; m < got.messages.size(); ++m) {
        EXPECT_EQ(got.messages[m].content, documents[i].messages[m].content);
        EXPECT_EQ(got.messages[m].context, documents[i].messages[m].context);
      }
    }
    EXPECT_FALSE(reader.next(got));
  };
  read();
  const auto good = slurp(path);
  // A bit may be one that decompression does not look at: then everything is as it was.
  const auto damaged = [&] {
    StoredReader reader(path);
    StoredDocument got;
    std::string again;
    while (reader.next(got)) append_document(again, got);
    EXPECT_EQ(again, all);
    throw Error(ExitCode::bad_input, "docs.zst: harmless");
  };
  for (size_t at = 0; at < good.size(); at += 1 + good.size() / 60) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 16);
    write("docs.zst", bad);
    EXPECT_THAT(error_of(damaged), testing::HasSubstr("docs.zst")) << at;
  }
  for (const size_t size : {size_t{0}, size_t{5}, good.size() / 2, good.size() - 1}) {
    write("docs.zst", good.substr(0, size));
    EXPECT_THAT(error_of(damaged), testing::Not(testing::HasSubstr("harmless"))) << size;
  }
}

TEST_F(BuildFilesTest, WhatKilledBuildsLeftGoesAndWhatLivesStays) {
  const auto text = write("a.txt", "a text of some words");
  build(request({source(text)}, 8));
  fs::path documents, digests = folder_ / "cache/.digests";
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    if (entry.path().filename().string().starts_with("documents-")) documents = entry.path();
  }
  const auto left_in = [](const fs::path& folder) {
    int left = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
      left += entry.path().filename().string().find(".part-") != std::string::npos;
    }
    return left;
  };
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t children[2];
  for (const bool lives : {false, true}) {
    children[lives] = ::fork();
    if (children[lives] == 0) {
      new core::AtomicFile(documents / "docs-00000-000.zst");
      new core::AtomicFile(digests / "0123.txt");
      if (lives && ::write(ready[1], "x", 1) == 1) ::pause();
      ::_exit(0);
    }
  }
  ::waitpid(children[0], nullptr, 0);
  char one = 0;
  EXPECT_EQ(::read(ready[0], &one, 1), 1);
  EXPECT_EQ(std::pair(left_in(documents), left_in(digests)), std::pair(2, 2));
  build(request({source(text)}, 4));
  EXPECT_EQ(std::pair(left_in(documents), left_in(digests)), std::pair(1, 1));
  ::kill(children[1], SIGKILL);
  ::waitpid(children[1], nullptr, 0);
  build(request({source(text)}, 5));
  EXPECT_EQ(std::pair(left_in(documents), left_in(digests)), std::pair(0, 0));
  ::close(ready[0]), ::close(ready[1]);
}

TEST_F(BuildFilesTest, HashingCountsTheFilesOfAllSources) {
  const auto ask = request({source(write("a.txt", "tiny.")), source(write("b.txt", std::string(5000, 'b')))}, 8);
  std::set<int64_t> totals;
  int64_t done = 0;
  build(ask, [&](const BuildProgress& now) {
    if (now.phase == "hashing") totals.insert(now.total), done = now.done;
  });
  EXPECT_EQ(totals, std::set<int64_t>{5005});
  EXPECT_EQ(done, 5005);  // what a bar that ends there says
}

TEST_F(BuildFilesTest, WhatIsNoFileIsNamedWithTheReason) {
  write("d/a.txt", "a text of some words");
  write("d/table.xlsx", "x");
  fs::create_directory(folder_ / "other");
  fs::create_symlink("nothing.txt", folder_ / "d/gone.txt");
  fs::create_symlink("loop.txt", folder_ / "d/loop.txt");
  fs::create_directory_symlink(folder_ / "other", folder_ / "d/other");
  ASSERT_EQ(::mkfifo((folder_ / "d/pipe.txt").c_str(), 0600), 0);
  const std::vector<std::string> named = {"table.xlsx", "gone.txt (broken link)", "loop.txt (broken link)",
                                          "other (link to a folder)", "pipe.txt (no regular file)"};
  const auto folder = (folder_ / "d").string();
  auto list = read_passed_over(build(request({source(folder)}, 8)));
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["files"], 5);
  EXPECT_EQ(list[0]["first"].get<std::vector<std::string>>(), named);
  list = read_passed_over(build(request({source(folder + "/*.txt")}, 9)));  // a pattern names what it would have read
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["first"], (std::vector<std::string>{named[1], named[2], named[4]}));
  fs::remove(folder_ / "d/a.txt"), fs::remove(folder_ / "d/table.xlsx");
  EXPECT_THAT(error_of([&] { build(request({source(folder)}, 8)); }),
              testing::HasSubstr("and 4 that cannot be read, such as \"gone.txt\" (broken link)"));
}

}  // namespace
}  // namespace plumb::data
