// What a tokenizer.json may hold, and that everything else is refused with its place.
#include <gmock/gmock.h>

#include <functional>

#include "core/error.h"
#include "data/tokenizer/pattern.h"
#include "tokenizer_files.h"

namespace plumb::data {
namespace {

using ::testing::HasSubstr;

class TokenizerJsonTest : public TokenizerTest {
 protected:
  // The error's text after a change of a good file.
  std::string refusal(const std::function<void(Json&)>& change, const SpecialTokens& specials = {}) {
    auto json = bpe_json({"a b"});
    change(json);
    try {
      load(json, specials);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      EXPECT_THAT(error.where() + error.hint(), HasSubstr("tokenizer"));
      return error.what();
    }
    return "loaded";
  }
};

TEST_F(TokenizerJsonTest, UnsupportedComponentsAreNamed) {
  EXPECT_THAT(refusal([](Json& j) { j["model"]["type"] = "WordPiece"; }),
              HasSubstr("model WordPiece is not supported"));
  EXPECT_THAT(refusal([](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }), HasSubstr("normalizer Lowercase"));
  EXPECT_THAT(refusal([](Json& j) {
                j["normalizer"] = {{"type", "Prepend"}, {"prepend", "_"}};
              }),
              HasSubstr("Llama-2"));
  EXPECT_THAT(refusal([](Json& j) {
                j["pre_tokenizer"] = {{"type", "Metaspace"}};
              }),
              HasSubstr("pre_tokenizer Metaspace is not supported (Llama-2"));
  EXPECT_THAT(refusal([](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }), HasSubstr("decoder WordPiece"));
  EXPECT_THAT(refusal([](Json& j) { j["post_processor"] = {{"type", "New"}}; }), HasSubstr("post_processor New"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["dropout"] = 0.1; }), HasSubstr("model.dropout"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }), HasSubstr("end_of_word_suffix"));
  EXPECT_THAT(refusal([](Json& j) {
                j["model"]["vocab"].erase("z");
                j["model"]["byte_fallback"] = true;
              }),
              HasSubstr("byte_fallback is not supported (Llama-2"));
}

TEST_F(TokenizerJsonTest, HostileVocabularies) {
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["x"] = 97; }),
              HasSubstr("model.vocab: error: expected an id for each"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = -1; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 4000000000000; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 2000000000; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 1.5; }), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = "7"; }), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"][""] = 300; }), HasSubstr("empty"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"] = 3; }),
              HasSubstr("model.vocab: error: expected an object, found 3"));
  EXPECT_THAT(refusal([](Json& j) { j.erase("model"); }), HasSubstr("\"model\""));
  EXPECT_THAT(refusal([](Json& j) { j["pre_tokenizer"] = nullptr; }), HasSubstr("\"pre_tokenizer\""));
}

TEST_F(TokenizerJsonTest, HostileMerges) {
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back("a zz"); }), HasSubstr("model.merges[1]: error"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back("b a"); }), HasSubstr("found \"ba\""));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back("ab"); }), HasSubstr("two tokens"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back("a  b"); }), HasSubstr("two tokens"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back({"a", "b", "c"}); }), HasSubstr("model.merges[1]"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["merges"].push_back(7); }), HasSubstr("expected a string, found 7"));
}

TEST_F(TokenizerJsonTest, HostileAddedTokens) {
  using Tokens = std::vector<Json>;
  const auto with = [&](const Tokens& tokens) { return refusal([&](Json& j) { j["added_tokens"] = tokens; }); };
  EXPECT_THAT(with(Tokens{added(300, "<x>", true)}),
              HasSubstr("added_tokens[0]: error: expected id 257 for \"<x>\", found 300"));
  EXPECT_THAT(with(Tokens{added(257, "ab", true)}), HasSubstr("expected id 256"));
  EXPECT_THAT(with(Tokens{added(257, "<x>", true), added(257, "<y>", true)}), HasSubstr("added_tokens[1]"));
  EXPECT_THAT(with(Tokens{added(257, "<x>", true), added(258, "<x>", true)}), HasSubstr("again"));
  EXPECT_THAT(with(Tokens{added(257, "", true)}), HasSubstr("empty"));
  EXPECT_THAT(with(Tokens{added(257, "<x>", true, {{"lstrip", 1}})}), HasSubstr("added_tokens[0].lstrip"));
  EXPECT_THAT(refusal([](Json& j) { j["added_tokens"] = "no list"; }),
              HasSubstr("added_tokens: error: expected an array"));
}

TEST_F(TokenizerJsonTest, HostilePostProcessors) {
  const auto with = [&](const Json& post) { return refusal([&](Json& j) { j["post_processor"] = post; }); };
  EXPECT_THAT(with({{"type", "BertProcessing"}, {"sep", {"x", 9999}}, {"cls", {"y", 1}}}),
              HasSubstr("post_processor.sep[1]"));
  EXPECT_THAT(with({{"type", "TemplateProcessing"}, {"single", Json::array()}}),
              HasSubstr("expected one Sequence, found 0"));
}

TEST_F(TokenizerJsonTest, NamedTokensMustExist) {
  EXPECT_THAT(refusal([](Json&) {}, {.eos = "</s>"}), HasSubstr("for eos, found \"</s>\""));
  EXPECT_EQ(load(bpe_json({"a b"}), {.eos = "ab"})->eos(), 256);
}

TEST_F(TokenizerJsonTest, NotJson) {
  EXPECT_THROW(load_tokenizer(write("{\"model\": ")), Error);
  EXPECT_THROW(load_tokenizer(write("[]")), Error);
  EXPECT_THROW(load_tokenizer(write(std::string(100'000, '['))), Error);
  EXPECT_THROW(load_tokenizer(folder_ / "absent.json"), Error);
  EXPECT_THROW(load_tokenizer(folder_ / ".."), Error);
}

TEST_F(TokenizerJsonTest, ConfigBesideNamesTokens) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "<s>", true), added(257, "<|eot|>", true), added(258, "<pad>", true)};
  write(json.dump());
  auto tokenizer = load_tokenizer(folder_);  // no config: only what published tokenizers call so
  EXPECT_EQ(tokenizer->bos(), 256);
  EXPECT_FALSE(tokenizer->eos());
  write(R"({"bos_token": null, "eos_token": {"content": "<|eot|>"}, "pad_token": "<s>"})", "tokenizer_config.json");
  tokenizer = load_tokenizer(folder_);
  EXPECT_FALSE(tokenizer->bos());
  EXPECT_EQ(tokenizer->eos(), 257);
  EXPECT_EQ(tokenizer->pad(), 256);
  EXPECT_EQ(load_tokenizer(folder_, {.pad = "<pad>"})->pad(), 258);  // the caller's word first
  write(R"({"eos_token": "absent"})", "tokenizer_config.json");
  EXPECT_THROW(load_tokenizer(folder_), Error);
}

TEST_F(TokenizerJsonTest, SavedConfig) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "<s>", true), added(257, "</s>", true)};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}};
  const auto tokenizer = load(json);
  save_tokenizer(*tokenizer, folder_ / "saved", "{{ messages }}");
  const auto config = Json::parse(core::read_text(folder_ / "saved/tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(config["bos_token"], "<s>");
  EXPECT_EQ(config["eos_token"], "</s>");
  EXPECT_FALSE(config.contains("pad_token") || config.contains("model_max_length"));
  EXPECT_EQ(config["add_bos_token"], true);
  EXPECT_EQ(config["chat_template"], "{{ messages }}");
  EXPECT_EQ(load_tokenizer(folder_ / "saved")->digest(), tokenizer->digest());
}

TEST_F(TokenizerJsonTest, OtherPatterns) {
  auto json = bpe_json({"a b"});
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "\\s+|[^\\s\\p{L}]"}}}, {"behavior", "Removed"}, {"invert", false}},
        {{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"use_regex", false}}}}};
  EXPECT_EQ(ids(*load(json), "ab 1\nx"), (Ids{' ', 256, ' ', 'x'}));
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "("}};
  EXPECT_THROW(load(json), Error);
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "[a-z&&[^b]]"}};
  EXPECT_THROW(load(json), Error);
}

TEST(Pattern, OwnClassesDecide) {
  // U+1C8A is a letter since Unicode 16, U+180E no white space since 6.3: the system's PCRE2 may think otherwise.
  const Pattern letters("\\p{L}+", "test"), spaces("[\\s]", "test"), others("\\S", "test");
  EXPECT_EQ(letters
                .matches("\xE1\xB2\x8A"
                         "b")
                .size(),
            1u);
  EXPECT_EQ(letters
                .matches("\xE1\xB2\x8A"
                         "b")[0]
                .second,
            4u);
  EXPECT_TRUE(spaces.matches("\xE1\xA0\x8E").empty());
  EXPECT_EQ(others.matches("\xE1\xA0\x8E").size(), 1u);
}

}  // namespace
}  // namespace plumb::data
