// More tokens on top of a tokenizer: old ids stay, texts are joined further, and new ids know their old pieces.
#include <gmock/gmock.h>

#include "core/error.h"
#include "data/tokenizer/extend.h"
#include "data_files.h"
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
  EXPECT_THAT(printed_error([&] { VocabularyExtender(load(json), 1); }),
              ::testing::HasSubstr("found a BPE over characters"));
  json["model"]["byte_fallback"] = true;
  json["decoder"] = {{"type", "ByteFallback"}};
  EXPECT_THAT(printed_error([&] { VocabularyExtender(load(json), 1); }), ::testing::HasSubstr("SentencePiece BPE"));
}

TEST_F(ExtendTest, BytesGrowWithinWords) {
  const auto bytes = bytes_tokenizer();
  VocabularyExtender extender(bytes, 6);
  for (int i = 0; i < 5; ++i) extender.add("the cat the cat");
  const auto extension = extender.extend();
  EXPECT_EQ(ids(*extension.tokenizer, " the cat").size(), 2u);
  for (size_t i = 0; i < 6; ++i) {
    const auto text = extension.tokenizer->token_bytes(static_cast<int32_t>(257 + i));
    EXPECT_EQ(text.find(' ', 1), std::string::npos) << text;
    EXPECT_EQ(ids(*bytes, text), extension.old_pieces[i]);
  }
}

TEST_F(ExtendTest, AFolderKeepsTheOldPieces) {
  VocabularyExtender extender(base(), 3);
  for (int i = 0; i < 5; ++i) extender.add("abcabc abcabc abcd");
  const auto extension = extender.extend();
  write("", "anything");
  save_tokenizer(*extension.tokenizer, folder_);
  save_extension(extension, folder_);
  const auto again = load_extension(folder_);
  EXPECT_EQ(again.first_new, extension.first_new);
  EXPECT_EQ(again.old_pieces, extension.old_pieces);
  EXPECT_EQ(again.tokenizer->json(), extension.tokenizer->json());
}

TEST_F(ExtendTest, ADamagedFileOfPiecesIsNamed) {
  VocabularyExtender extender(base(), 2);
  for (int i = 0; i < 5; ++i) extender.add("abcabc abcabc abcd");
  write("", "anything");
  save_tokenizer(*extender.extend().tokenizer, folder_);
  const auto refusal = [&](const std::string& text) {
    write(text, "tokenizer_extension.json");
    return printed_error([&] { load_extension(folder_); });
  };
  EXPECT_EQ(refusal(R"({"first_new": 259, "old_pieces": [[1, 2], [3]]})"), "no error");
  EXPECT_THAT(refusal(R"({"first_new": 259, "old_pieces": [[1, 2]]})"), ::testing::HasSubstr("1 new tokens from 259"));
  EXPECT_THAT(refusal(R"({"first_new": 259, "old_pieces": [[1], []]})"), ::testing::HasSubstr("no old pieces"));
  EXPECT_THAT(refusal(R"({"first_new": 259, "old_pieces": [[1], [259]]})"), ::testing::HasSubstr("259 is no id"));
  EXPECT_THAT(refusal(R"({"first_new": 259, "old_pieces": [[1], [-1]]})"), ::testing::HasSubstr("-1 is no id"));
  EXPECT_THAT(refusal(R"({"first_new": "x"})"), ::testing::HasSubstr("expected first_new and old_pieces"));
  EXPECT_THAT(refusal("[]"), ::testing::HasSubstr("tokenizer_extension.json"));
}

}  // namespace
}  // namespace plumb::data
