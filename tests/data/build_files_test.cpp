// What a build keeps between its phases: counts that add up, documents that come back as they were or not at all.
#include <fmt/format.h>

#include "data/build/counts.h"
#include "data/build/stored.h"
#include "data_files.h"

namespace plumb::data {
namespace {

class BuildFilesTest : public DataTest {};

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

}  // namespace
}  // namespace plumb::data
