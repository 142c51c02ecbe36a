// Bytes per token on the beginning of the sources: never more than was asked for, whatever they hold.
#include "data/tokenizer_fit.h"

#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

// Of every text half as many tokens as bytes; keeps what it was asked about.
class Halving : public FakeTokenizer {
 public:
  void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText, EncodeCounts*) const override {
    seen.emplace_back(text);
    ids.resize(ids.size() + text.size() / 2);
  }
  mutable std::vector<std::string> seen;
};

using TokenizerFitTest = DataTest;

TEST_F(TokenizerFitTest, OfASmallCorpusAllIsRead) {
  const auto texts = source(write("a.jsonl", "{\"text\":\"abcd\"}\n{\"text\":\"\"}\nno row\n{\"text\":\"abcdef\"}\n"));
  const auto talks = source(write("b.jsonl", "{\"prompt\":\"which\",\"completion\":\"none\"}\n"), "prompt_completion");
  const auto fit = tokenizer_fit({texts, talks}, Halving(), 1000);
  EXPECT_EQ(fit.texts, 4);
  EXPECT_EQ(fit.bytes, 4 + 6 + 5 + 4);
  EXPECT_EQ(fit.tokens, 2 + 3 + 2 + 2);
  EXPECT_DOUBLE_EQ(fit.bytes_per_token(), 19.0 / 9);
  EXPECT_EQ(fit.measured_on(), "all 4 texts");
  EXPECT_EQ(tokenizer_fit({source(write("c.jsonl", "no row\n"))}, Halving(), 1000).bytes_per_token(), 0);
  EXPECT_EQ(tokenizer_fit({texts}, Halving(), 10).measured_on(), "all 2 texts");  // to the byte
}

TEST_F(TokenizerFitTest, OfALargeOneTheBeginningOfEachSource) {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += "{\"text\":\"0123456789\"}\n";
  const auto large = source(write("large.jsonl", lines)), small = source(write("small.jsonl", "{\"text\":\"ab\"}\n"));
  const Halving tokenizer;
  const auto fit = tokenizer_fit({small, large, large}, tokenizer, 102);
  EXPECT_EQ(fit.bytes, 102);  // 2, and what is left in two halves
  EXPECT_EQ(fit.texts, 1 + 5 + 5);
  EXPECT_FALSE(fit.whole);
  EXPECT_EQ(fit.records, 1 + 6 + 6) << "reading ends where the sample does";
  EXPECT_EQ(tokenizer.seen.size(), 11u) << "nothing behind the sample is encoded";
  EXPECT_THAT(fit.measured_on(), testing::HasSubstr("the beginning of each source: 0.0 MiB, 11 texts"));
}

TEST_F(TokenizerFitTest, OneLongTextIsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\xED\x95\x9C";  // 3 bytes each
  const Halving tokenizer;
  const auto book = source(write("book.txt", text));
  EXPECT_EQ(tokenizer_fit({book}, tokenizer, 100).bytes, 99);
  EXPECT_EQ(tokenizer.seen.back().size(), 99u);
  EXPECT_FALSE(tokenizer_fit({book}, tokenizer, 2).whole);
  EXPECT_EQ(tokenizer_fit({book}, tokenizer, 2).texts, 0);
  EXPECT_TRUE(tokenizer_fit({book}, tokenizer, 300).whole);
}

}  // namespace
}  // namespace plumb::data
