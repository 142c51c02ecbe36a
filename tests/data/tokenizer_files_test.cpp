// SentencePiece and tiktoken files: what they mean, and that damaged ones are refused with their place.
#include "tokenizer_files.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "data/dataset.h"
#include "data/tokenizer/charsmap.h"
#include "data/tokenizer/model_files.h"

namespace plumb::data {
namespace {

using ::testing::HasSubstr;

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string field(int number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string field(int number, uint64_t value) { return varint(number << 3) + varint(value); }
std::string field(int number, float value) {
  return varint(number << 3 | 5) + std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string piece(const std::string& text, float score, int type = 1) {
  return field(1, field(1, text) + field(2, score) + field(3, static_cast<uint64_t>(type)));
}

class ModelFileTest : public TokenizerTest {
 protected:
  static std::string specials() { return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3); }
  static std::string bpe(bool extra_spaces = false) {
    std::string pieces = specials() +
                         piece(
                             "\xE2\x96\x81"
                             "ab",
                             -1) +
                         piece("ab", -2) + piece("a", -3) + piece("b", -4) + piece("\xE2\x96\x81", -5);
    return pieces + field(2, field(3, uint64_t{2})) + field(3, field(4, uint64_t{extra_spaces}));
  }
  std::string refusal(const std::string& bytes) {
    try {
      load_tokenizer(write(bytes, "tokenizer.model"));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      return error.what();
    }
    return "loaded";
  }
};

TEST_F(ModelFileTest, SentencePieceBpe) {
  const auto tokenizer = load_tokenizer(write(bpe(), "tokenizer.model"));
  EXPECT_EQ(ids(*tokenizer, "ab aab"), (Ids{3, 7, 5, 4}));
  EXPECT_EQ(ids(*tokenizer, "x\xFFy a"), (Ids{7, 0, 7, 5}));  // a run of unknown characters is one
  EXPECT_EQ(tokenizer->decode(Ids{3, 7, 5}), "ab a");
  EXPECT_EQ(tokenizer->bos(), 1);
  EncodeCounts counts;
  EXPECT_EQ(ids(*tokenizer, "a<s>", SpecialInText::text, &counts).back(), 0);
  EXPECT_EQ(counts.special_texts, 1);
  EXPECT_EQ(ids(*tokenizer, "a<s>"), (Ids{7, 5, 1}));
}

TEST_F(ModelFileTest, SentencePieceWhiteSpace) {
  const auto kept = load_tokenizer(write(bpe(false), "tokenizer.model"));
  EXPECT_EQ(ids(*kept, " a  "), (Ids{7, 7, 5, 7, 7}));
  const auto removed = load_tokenizer(write(bpe(true), "tokenizer.model"));
  EXPECT_EQ(ids(*removed, "  a   b "), (Ids{7, 5, 7, 6}));
  EXPECT_TRUE(ids(*removed, "   ").empty());
}

TEST_F(ModelFileTest, SavedModelsStayWhatTheyAre) {
  const auto tokenizer = load_tokenizer(write(bpe(), "tokenizer.model"));
  save_tokenizer(*tokenizer, folder_ / "saved");
  const auto config = core::read_text(folder_ / "saved/tokenizer_config.json");
  EXPECT_THAT(config, HasSubstr("\"tokenizer_class\": \"PreTrainedTokenizerFast\""));  // there is a tokenizer.json
  EXPECT_THAT(config, HasSubstr("\"unk_token\": \"<unk>\""));
  const auto again = load_tokenizer(folder_ / "saved");
  EXPECT_EQ(again->digest(), tokenizer->digest());
  EXPECT_EQ(tokenizer_of_files(tokenizer_files(*tokenizer), "kept")->digest(), tokenizer->digest());
  const auto json = load_tokenizer(folder_ / "saved/tokenizer.json");
  for (const char* text : {"ab aab", " a  b", "x y", "", "ababab  ab"})
    EXPECT_EQ(ids(*json, text), ids(*tokenizer, text)) << text;
}

// A model that no tokenizer.json equals goes into a dataset as it is, with the names it was given.
TEST_F(ModelFileTest, ADatasetKeepsAModelThatHasNoEqual) {
  const auto twice = specials() + piece("ab", -2) + piece("ba", -2) + piece("a", -3) + piece("b", -4) +
                     piece("\xE2\x96\x81", -5) + field(2, field(3, uint64_t{2}));
  SpecialTokens names;
  names.eos = "b";
  const auto tokenizer = load_tokenizer(write(twice, "tokenizer.model"), names);
  EXPECT_THROW(tokenizer->json(), Error);
  save_tokenizer(*tokenizer, folder_ / "saved");
  EXPECT_THAT(core::read_text(folder_ / "saved/tokenizer_config.json"),
              HasSubstr("\"tokenizer_class\": \"LlamaTokenizer\""));
  write("a text of a and b, abba", "a.txt");
  BuildRequest ask;
  ask.sources.emplace_back();
  ask.sources[0].path = (folder_ / "a.txt").string(), ask.sources[0].format = "text";
  ask.sequence_length = 8, ask.packing = "concat", ask.too_long = "drop", ask.loss_on = "answers";
  const auto chat = chat_template("plain", "", *tokenizer);
  const auto folder = Dataset::build(ask, *tokenizer, *chat, folder_ / "cache");
  const auto dataset = Dataset::open(folder);
  const auto again = dataset->tokenizer();
  EXPECT_EQ(again->digest(), tokenizer->digest());
  EXPECT_EQ(again->digest(), dataset->tokenizer_digest());
  EXPECT_EQ(load_tokenizer(folder)->digest(), tokenizer->digest());
  EXPECT_EQ(again->decode(dataset->sample(0).ids, true), tokenizer->decode(dataset->sample(0).ids, true));
  EXPECT_EQ(dataset->sample(0).ids.back(), 6);
  dataset->verify();
  for (const char* name : {"tokenizer.model", "tokenizer_config.json"}) {
    std::string bytes = core::read_text(folder / name);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    core::write_text(folder / name, bytes);
    try {
      Dataset::open(folder);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    core::write_text(folder / name, bytes);
  }
  EXPECT_NO_THROW(Dataset::open(folder));
}

TEST_F(ModelFileTest, DamagedSentencePieceFiles) {
  const std::string good = bpe();
  for (size_t size = 0; size < good.size(); ++size) refusal(good.substr(0, size));  // an Error or a shorter model
  for (size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x55);
    refusal(changed);
  }
  EXPECT_THAT(refusal(std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11)), HasSubstr("byte"));
  EXPECT_THAT(refusal(specials() + piece("a", -1) + piece("a", -2)), HasSubstr("\"a\" again"));
  EXPECT_THAT(refusal(piece("a", -1)), HasSubstr("an unknown piece"));
  EXPECT_THAT(refusal(specials() + piece("", -1)), HasSubstr("pieces[3]"));
  EXPECT_THAT(refusal(specials() + field(2, field(35, uint64_t{1}))), HasSubstr("256 byte pieces, found 0"));
  EXPECT_THAT(refusal(specials() + field(2, field(3, uint64_t{3}))), HasSubstr("whole words"));
  EXPECT_THAT(refusal(specials() + field(3, field(2, "\xFF\xFF\xFF\x7F"))), HasSubstr("precompiled_charsmap"));
}

class TiktokenTest : public ModelFileTest {
 protected:
  static std::string ranks(const std::vector<std::string>& tokens) {
    std::string text;
    int rank = 0;
    for (int byte = 0; byte < 256; ++byte)
      text += encode_base64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(rank++) + "\n";
    for (const auto& token : tokens) text += encode_base64(token) + " " + std::to_string(rank++) + "\n";
    return text;
  }
  std::string refusal(const std::string& text) {
    try {
      load_tokenizer(write(text, "x.tiktoken"));
    } catch (const Error& error) {
      return error.what() + error.hint();
    }
    return "loaded";
  }
};

TEST_F(TiktokenTest, RanksAndSpecials) {
  write(R"({"pattern": "\\w+|\\W", "special_tokens": {"<|end|>": 300}})", "x.tiktoken.json");
  const auto tokenizer = load_tokenizer(write(ranks({"ab", "bc", "abc", "\xED\x95"}), "x.tiktoken"));
  EXPECT_EQ(ids(*tokenizer, "abc bcab"), (Ids{258, ' ', 257, 256}));
  EXPECT_EQ(ids(*tokenizer, "<|end|>"), (Ids{300}));
  EXPECT_EQ(tokenizer->vocab_size(), 301);
  EXPECT_EQ(tokenizer->decode(ids(*tokenizer, "\xED\x95\x9C abc")), "\xED\x95\x9C abc");
  save_tokenizer(*tokenizer, folder_ / "saved");
  EXPECT_EQ(load_tokenizer(folder_ / "saved")->digest(), tokenizer->digest());
}

TEST_F(TiktokenTest, RefusedWithTheLine) {
  EXPECT_THAT(refusal(ranks({"ab"})), HasSubstr("x.tiktoken.json"));  // no pattern is known
  write(R"({"pattern": "\\w+|\\W"})", "x.tiktoken.json");
  EXPECT_EQ(refusal(ranks({"ab"})), "loaded");
  EXPECT_THAT(refusal(ranks({}) + "YQ== x\n"), HasSubstr("x.tiktoken:257"));
  EXPECT_THAT(refusal(ranks({}) + "Y*Q= 300\n"), HasSubstr("base64"));
  EXPECT_THAT(refusal(ranks({"ab", "ab"})), HasSubstr("once"));
  EXPECT_THAT(refusal("YQ== 0\nYg== 1\n"), HasSubstr("every byte"));
}

}  // namespace
}  // namespace plumb::data
