// More tokens on top of a tokenizer: old ids stay, texts are joined further, and new ids know their old pieces.
#include <gmock/gmock.h>

#include "core/error.h"
#include "data/tokenizer/extend.h"
#include "tokenizer_files.h"

namespace plumb::data {
namespace {

class ExtendTest : public TokenizerTest {
 protected:
  TokenizerPtr base() {
    auto json = bpe_json({"a b", "ab c"});
    json["added_tokens"] = {added(258, "<|x|>", true)};
    return load(json, {.eos = "<|x|>"});
  }
};

TEST_F(ExtendTest, GoesOnWhereTheMergesEnded) {
  VocabularyExtender extender(base(), 3);
  for (int i = 0; i < 5; ++i) extender.add("abcabc abcabc abcd <|x|>");
  const auto extended = extender.extend();
  EXPECT_EQ(extended.first_new, 259);
  const auto& tokenizer = *extended.tokenizer;
  EXPECT_EQ(tokenizer.vocab_size(), 262);
  EXPECT_EQ(tokenizer.eos(), 258);
  EXPECT_EQ(ids(tokenizer, "<|x|>"), (Ids{258}));
  EXPECT_EQ(ids(tokenizer, "abc"), (Ids{257}));
  ASSERT_EQ(extended.old_pieces.size(), 3u);
  const auto old = base();
  for (size_t i = 0; i < 3; ++i) {  // the same bytes, in the base's tokens
    const auto id = static_cast<int32_t>(259 + i);
    std::string bytes;
    for (const int32_t piece : extended.old_pieces[i]) {
      EXPECT_LT(piece, 259);
      bytes += old->token_bytes(piece);
    }
    EXPECT_EQ(bytes, tokenizer.token_bytes(id));
    EXPECT_EQ(ids(tokenizer, bytes), (Ids{id}));
    EXPECT_EQ(ids(*old, bytes), extended.old_pieces[i]);
  }
}

TEST_F(ExtendTest, AnyOrderOfDocuments) {
  const std::vector<std::string> texts = {"abc abd abd", "xyz xyz abc", "the cat the hat"};
  VocabularyExtender forth(base(), 4), back(base(), 4);
  for (size_t i = 0; i < texts.size(); ++i) {
    forth.add(texts[i]);
    back.add(texts[texts.size() - 1 - i]);
  }
  EXPECT_EQ(forth.extend().tokenizer->json(), back.extend().tokenizer->json());
}

TEST_F(ExtendTest, TooLittleText) {
  VocabularyExtender extender(base(), 10);
  extender.add("abcabc abcabc");
  try {
    extender.extend();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr("found pairs for 1"));
  }
}

TEST_F(ExtendTest, OnlyByteLevel) {
  auto json = bpe_json({});
  json["pre_tokenizer"] = {{"type", "Whitespace"}};
  EXPECT_THROW(VocabularyExtender(load(json), 1), Error);
}

}  // namespace
}  // namespace plumb::data
