// Megatron's files: there and back, and everything that can be wrong with them.
#include "data/megatron.h"

#include <fmt/format.h>

#include <cstring>

#include "data/account/account.h"
#include "data_files.h"
#include "fake_dataset.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;

class MegatronTest : public DataTest {
 protected:
  std::string prefix(const std::string& name = "corpus") const { return (folder_ / name).string(); }

  // An index as Megatron writes it, from its parts.
  static std::string index_bytes(uint8_t code, const std::vector<int32_t>& lengths,
                                 const std::vector<int64_t>& pointers, const std::vector<int64_t>& bounds) {
    std::string out("MMIDIDX\0\0", 9);
    const auto add = [&](const void* from, size_t bytes) { out.append(static_cast<const char*>(from), bytes); };
    const uint64_t version = 1, sequences = lengths.size(), documents = bounds.size();
    add(&version, 8), add(&code, 1), add(&sequences, 8), add(&documents, 8);
    add(lengths.data(), 4 * lengths.size()), add(pointers.data(), 8 * pointers.size()),
        add(bounds.data(), 8 * bounds.size());
    return out;
  }
  std::string failure(const std::string& index, const std::string& bin = std::string(20, '\1')) const {
    write("bad.idx", index), write("bad.bin", bin);
    return printed_error([&] {
      const MegatronReader reader(prefix("bad"));
      std::vector<int32_t> ids;
      for (int64_t d = 0; d < reader.documents(); ++d) reader.read(d, 65536, ids);
    });
  }
  FakeTokenizer tokenizer_;
};

TEST_F(MegatronTest, ThereAndBackUnderEveryPacking) {
  const FakeDataset dataset("d", 300, 64, "concat", 200);
  class Small : public FakeTokenizer {
   public:
    int64_t vocab_size() const override { return size; }
    int64_t size = 30000;
  } tokenizer;
  for (const int64_t vocab_size : {30000, 65499, 65500, 200000}) {
    tokenizer.size = vocab_size;
    const auto name = fmt::format("corpus.{}", vocab_size);
    const auto written = export_megatron(dataset, prefix(name) + ".bin", vocab_size);
    EXPECT_EQ(written.documents, 300);
    EXPECT_EQ(written.tokens, dataset.tokens());
    EXPECT_GT(written.masked, 0);
    EXPECT_EQ(std::string(MegatronReader(prefix(name)).type()), vocab_size < 65500 ? "uint16" : "int32");
    for (const std::string packing : {"concat", "best_fit", "none"}) {
      const auto folder = folder_ / (name + packing);
      const auto read = import_megatron(prefix(name), folder.string() + "/", tokenizer, 64, packing);
      EXPECT_EQ(read.documents, 300);
      EXPECT_EQ(read.without_end, 300);
      const auto back = Dataset::open(folder);
      EXPECT_EQ(back->tokens(), dataset.tokens());
      EXPECT_EQ(back->packing(), packing);
      for (int64_t d = 0; d < 300; ++d) ASSERT_EQ(back->sample(d).ids, dataset.sample(d).ids);
      EXPECT_EQ(back->report().trained_tokens, dataset.tokens() - 300);
      const RowStream rows(back, nullptr, 64, {});
      int64_t labels = 0;
      for (int64_t row = 0; row < back->rows(); ++row) {
        for (const int32_t label : rows.batch(static_cast<uint64_t>(row), 1).labels) labels += label != kNoLabel;
      }
      EXPECT_EQ(labels, dataset.tokens() - 300);
    }
  }
}

TEST_F(MegatronTest, EveryElementTypeAndDocumentsOfSeveralSequences) {
  // Two documents: sequences of 2 and 1 tokens, none in the third, the last one of 3.
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6};
  const auto check = [&](uint8_t code, auto zero) {
    using T = decltype(zero);
    std::string bin;
    for (const int32_t id : ids) {
      const T value = static_cast<T>(id);
      bin.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    const int64_t n = sizeof(T);
    write("t.bin", bin), write("t.idx", index_bytes(code, {2, 1, 3}, {0, 2 * n, 3 * n}, {0, 2, 2, 3}));
    const MegatronReader reader(prefix("t"));
    ASSERT_EQ(reader.documents(), 3);
    EXPECT_EQ(reader.tokens(), 6);
    std::vector<int32_t> found;
    reader.read(0, 100, found);
    EXPECT_EQ(found, (std::vector<int32_t>{1, 2, 3}));
    reader.read(1, 100, found);
    EXPECT_TRUE(found.empty());
    reader.read(2, 100, found);
    EXPECT_EQ(found, (std::vector<int32_t>{4, 5, 6}));
    EXPECT_EQ(reader.document_tokens(2), 3);
    EXPECT_THAT(printed_error([&] { reader.read(2, 6, found); }), HasSubstr("expected token ids from 0 to 5, found 6"));
  };
  check(1, uint8_t{}), check(2, int8_t{}), check(3, int16_t{}), check(4, int32_t{}), check(5, int64_t{}),
      check(8, uint16_t{});
}

TEST_F(MegatronTest, WhatIsWrongIsNamed) {
  const auto good = index_bytes(8, {4, 6}, {0, 8}, {0, 1, 2});
  EXPECT_EQ(failure(good), "no error");
  EXPECT_THAT(failure("TNTIDX\0\0"), HasSubstr("old format"));
  EXPECT_THAT(failure("something else, but long enough for a header of it"), HasSubstr("MMIDIDX"));
  EXPECT_THAT(failure(""), HasSubstr("MMIDIDX"));
  EXPECT_THAT(failure(good.substr(0, 33)), HasSubstr("MMIDIDX"));
  auto bad = good;
  bad[9] = 2;
  EXPECT_THAT(failure(bad), HasSubstr("expected version 1, found 2"));
  EXPECT_THAT(failure(index_bytes(9, {1}, {0}, {0, 1})), HasSubstr("from 1 to 8, found 9"));
  EXPECT_THAT(failure(index_bytes(7, {1}, {0}, {0, 1})), HasSubstr("float32"));
  EXPECT_THAT(failure(good + std::string(1, '\0')), HasSubstr("damaged: expected 82 bytes"));
  EXPECT_THAT(failure(good.substr(0, good.size() - 8)), HasSubstr("damaged"));
  EXPECT_THAT(failure(good + std::string(2, '\0')), HasSubstr("multimodal"));
  bad = good, std::memset(bad.data() + 18, 0xff, 8);
  EXPECT_THAT(failure(bad), HasSubstr("do not fit"));
  bad = good, std::memset(bad.data() + 26, 0x7f, 8);
  EXPECT_THAT(failure(bad), HasSubstr("do not fit"));
  EXPECT_THAT(failure(index_bytes(8, {}, {}, {})), HasSubstr("found none"));
  EXPECT_THAT(failure(index_bytes(8, {-1}, {0}, {0, 1})), HasSubstr("sequence 0 has -1 tokens"));
  EXPECT_THAT(failure(index_bytes(8, {11}, {0}, {0, 1})), HasSubstr("sequence 0 has 11 tokens"));
  EXPECT_THAT(failure(index_bytes(8, {1}, {20}, {0, 1})), HasSubstr("from byte 20 on"));
  EXPECT_THAT(failure(index_bytes(8, {1}, {-2}, {0, 1})), HasSubstr("from byte -2 on"));
  EXPECT_THAT(failure(index_bytes(8, {1}, {INT64_MAX}, {0, 1})), HasSubstr("damaged"));
  EXPECT_THAT(failure(index_bytes(8, {10, 10}, {0, 0}, {0, 1, 2})), HasSubstr("more tokens than"));
  EXPECT_THAT(failure(index_bytes(8, {4, 6}, {0, 8}, {1, 2})), HasSubstr("expected documents from sequence 0 to 2"));
  EXPECT_THAT(failure(index_bytes(8, {4, 6}, {0, 8}, {0, 5})), HasSubstr("found 0 to 5"));
  EXPECT_THAT(failure(index_bytes(8, {4, 6}, {0, 8}, {0, 7, 2})), HasSubstr("document 1 begins after its end"));
  EXPECT_THAT(failure(index_bytes(2, {1}, {0}, {0, 1}), "\xff"), HasSubstr("found -1"));
  EXPECT_THAT(printed_error([&] { MegatronReader(prefix("nothing")); }), HasSubstr("nothing.idx"));
  for (size_t length = 0; length < good.size(); ++length) EXPECT_NE(failure(good.substr(0, length)), "no error");
}

TEST_F(MegatronTest, NothingIsOverwritten) {
  const FakeDataset dataset("d", 5, 64, "concat");
  export_megatron(dataset, prefix(), 30000);
  EXPECT_THAT(printed_error([&] { export_megatron(dataset, prefix(), 30000); }), HasSubstr("exists already"));
  const auto gone = folder_ / "gone";
  EXPECT_EQ(printed_error([&] { export_megatron(dataset, gone / "corpus", 30000); }),
            gone.string() + ": error: there is no such folder to write corpus.bin into\n      hint: mkdir -p " +
                gone.string());
  EXPECT_FALSE(std::filesystem::exists(gone));
  std::filesystem::create_directory(folder_ / "out");
  EXPECT_THAT(printed_error([&] { import_megatron(prefix(), folder_ / "out", tokenizer_, 64, "concat"); }),
              HasSubstr("exists already"));
  EXPECT_THAT(printed_error([&] { import_megatron(prefix(), folder_ / "new", tokenizer_, 64, "tight"); }),
              HasSubstr("concat best_fit none"));
  EXPECT_THAT(printed_error([&] { import_megatron(prefix(), folder_ / "new", tokenizer_, 64, "concat"); }),
              HasSubstr("another tokenizer"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "new"));
}

// The account of what no build of ours counted: its tables, and nothing where there is nothing to say.
TEST_F(MegatronTest, AnImportHasAnAccount) {
  const FakeDataset documents("d", 50, 64, "concat", 100);
  export_megatron(documents, prefix(), 300);
  class Wide : public FakeTokenizer {
   public:
    int64_t vocab_size() const override { return 30000; }
  } tokenizer;
  import_megatron(prefix(), folder_ / "imported", tokenizer, 64, "best_fit");
  const auto account = read_account(*Dataset::open(folder_ / "imported"));
  int64_t lengths = 0;
  for (const auto& count : account.report["lengths"]["tokens"]) lengths += count.get<int64_t>();
  EXPECT_EQ(lengths, 50);
  EXPECT_EQ(account.report["sources"][0]["kept"], 50);
  EXPECT_THAT(report_html(account), HasSubstr("corpus"));
  EXPECT_THAT(eu_summary(account), HasSubstr("| corpus | _to be stated by the provider_ | 50 |"));
  EXPECT_EQ(croissant(account)["distribution"].size(), 2u);
}

// As imports were written before they had one, and as nobody writes it.
TEST_F(MegatronTest, AnAccountWithoutSectionsIsReadOrRefused) {
  class Told : public FakeDataset {
   public:
    explicit Told(std::string report) : FakeDataset("told", 3, 64, "concat"), report_(std::move(report)) {}
    std::string text_file(const std::string& name) const override { return name == "report.json" ? report_ : ""; }

   private:
    std::string report_;
  };
  const auto all = [](const std::string& sections) {
    const auto account = read_account(Told("{\"format\":\"plumb-report-1\"" + sections + "}"));
    return report_html(account) + eu_summary(account) + croissant(account).dump();
  };
  EXPECT_THAT(all(R"(,"totals":{"kept":5},"sources":[{"name":"old"}])"), HasSubstr("old"));
  EXPECT_THAT(all(R"(,"clean":{},"privacy":{},"lengths":{},"duplicates":{})"), HasSubstr("told"));
  for (const char* key : {"totals", "sources", "clean", "privacy", "languages", "lengths", "tokenizer", "rules"}) {
    const auto error = printed_error([&] { all(",\"" + std::string(key) + "\":7"); });
    EXPECT_THAT(error, HasSubstr("\"" + std::string(key) + "\" is of another type")) << key;
  }
}

}  // namespace
}  // namespace plumb::data
