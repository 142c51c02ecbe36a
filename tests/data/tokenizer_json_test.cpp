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

TEST_F(TokenizerJsonTest, UnknownComponentsAreNamed) {
  const auto with = [&](const char* key, const Json& part) { return refusal([&](Json& j) { j[key] = part; }); };
  EXPECT_THAT(refusal([](Json& j) { j["model"]["type"] = "New"; }), HasSubstr("model: error: model New is not known"));
  EXPECT_THAT(refusal([](Json& j) { j["version"] = "2.0"; }), HasSubstr("version"));
  EXPECT_THAT(with("normalizer", {{"type", "New"}}), HasSubstr("normalizer: error: normalizer New is not known"));
  EXPECT_THAT(with("normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "New"}}}}}),
              HasSubstr("normalizer.normalizers[0]: error: normalizer New"));
  EXPECT_THAT(with("pre_tokenizer", {{"type", "New"}}), HasSubstr("pre_tokenizer New is not known"));
  EXPECT_THAT(with("decoder", {{"type", "New"}}), HasSubstr("decoder New is not known"));
  EXPECT_THAT(with("post_processor", {{"type", "New"}}), HasSubstr("post_processor New is not known"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["dropout"] = 0.1; }), HasSubstr("model.dropout"));
}

TEST_F(TokenizerJsonTest, WrongOptionsAreNamed) {
  const auto cut = [&](const Json& part) { return refusal([&](Json& j) { j["pre_tokenizer"] = part; }); };
  EXPECT_THAT(cut({{"type", "Metaspace"}}), HasSubstr("\"replacement\""));
  EXPECT_THAT(cut({{"type", "Metaspace"}, {"replacement", "__"}}), HasSubstr("one character"));
  EXPECT_THAT(cut({{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}}),
              HasSubstr("prepend_scheme: error: expected first, never or always"));
  EXPECT_THAT(cut({{"type", "FixedLength"}, {"length", 0}}), HasSubstr("pre_tokenizer.length"));
  EXPECT_THAT(cut({{"type", "Punctuation"}, {"behavior", "Lost"}}), HasSubstr("pre_tokenizer.behavior"));
  EXPECT_THAT(cut({{"type", "Split"}, {"pattern", {{"Glob", "*"}}}, {"behavior", "Removed"}, {"invert", false}}),
              HasSubstr("a String or a Regex"));
  const auto normal = [&](const Json& part) { return refusal([&](Json& j) { j["normalizer"] = part; }); };
  EXPECT_THAT(normal({{"type", "Strip"}}), HasSubstr("\"strip_"));
  EXPECT_THAT(normal({{"type", "Precompiled"}, {"precompiled_charsmap", "!"}}), HasSubstr("base64"));
  EXPECT_THAT(normal({{"type", "Precompiled"}, {"precompiled_charsmap", "/////w=="}}),
              HasSubstr("found one of 4294967295"));
  EXPECT_THAT(refusal([](Json& j) {
                j["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}};
              }),
              HasSubstr("decoder.start"));
}

TEST_F(TokenizerJsonTest, OtherModels) {
  const auto model = [&](const Json& part) { return refusal([&](Json& j) { j["model"] = part; }); };
  EXPECT_THAT(model({{"type", "Unigram"}, {"vocab", Json::array({Json::array({"a", "b"})})}}),
              HasSubstr("model.vocab[0]: error: expected a token"));
  EXPECT_THAT(model({{"type", "Unigram"}, {"vocab", Json::array({Json::array({"a", 0.5})})}, {"unk_id", 1}}),
              HasSubstr("model.unk_id"));
  EXPECT_THAT(model({{"type", "WordPiece"}, {"vocab", {{"a", 0}}}}), HasSubstr("\"unk_token\""));
  EXPECT_THAT(model({{"type", "BPE"},
                     {"vocab", {{"a", 0}}},
                     {"merges", Json::array()},
                     {"byte_fallback", true},
                     {"unk_token", "<u>"}}),
              HasSubstr("model.unk_token"));
  auto json = bpe_json({});
  json["model"] = {{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "<u>"}};
  json["pre_tokenizer"] = {{"type", "Whitespace"}};
  const auto tokenizer = load(json);
  EXPECT_EQ(ids(*tokenizer, "a a"), (std::vector<int32_t>{0, 0}));
  EXPECT_THROW(ids(*tokenizer, "b"), Error);
}

TEST_F(TokenizerJsonTest, HostileVocabularies) {
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["x"] = 97; }),
              HasSubstr("model.vocab: error: expected an id for each"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = -1; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 4000000000000; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 2000000000; }), HasSubstr("model.vocab.new"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = 1.5; }), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"]["new"] = "7"; }), HasSubstr("expected an integer"));
  EXPECT_THAT(refusal([](Json& j) { j["model"]["vocab"] = 3; }),
              HasSubstr("model.vocab: error: expected an object, found 3"));
  EXPECT_THAT(refusal([](Json& j) { j.erase("model"); }), HasSubstr("\"model\""));
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
  EXPECT_THAT(with(Tokens{added(-1, "<x>", true)}), HasSubstr("added_tokens[0].id"));
  EXPECT_THAT(with(Tokens{added(257, "<x>", true, {{"lstrip", 1}})}), HasSubstr("added_tokens[0].lstrip"));
  EXPECT_THAT(refusal([](Json& j) { j["added_tokens"] = "no list"; }),
              HasSubstr("added_tokens: error: expected an array"));
}

// Vocabularies of Unigram, WordPiece and WordLevel hold their special tokens; text that reads like one is text.
TEST_F(TokenizerJsonTest, SpecialTextOfAVocabulary) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(0, "<u>", true), added(1, "</s>", true)};
  json["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
  const auto as_text = [&](const Json& model, const std::string& text) {
    json["model"] = model;
    const auto tokenizer = load(json);
    EXPECT_EQ(ids(*tokenizer, "a</s>"), (Ids{2, 1}));
    EncodeCounts counts;
    const auto found = ids(*tokenizer, text, SpecialInText::text, &counts);
    EXPECT_EQ(counts.special_texts, 1);
    EXPECT_EQ(ids(*tokenizer, "a</s>"), (Ids{2, 1}));
    return found;
  };
  const auto entry = [](const char* text, double score) { return Json::array({text, score}); };
  const Json unigram = {
      {"type", "Unigram"},
      {"unk_id", 0},
      {"vocab", Json::array({entry("<u>", 0), entry("</s>", 0), entry("a", -1), entry("/", -9), entry("s", -9)})}};
  EXPECT_EQ(as_text(unigram, "a</s>"), (Ids{2, 0, 3, 4, 0}));
  const Json vocab = {{"<u>", 0}, {"</s>", 1}, {"a", 2}, {"<", 3}, {"/s>", 4}};
  const Json words = {{"type", "WordPiece"},
                      {"vocab", vocab},
                      {"unk_token", "<u>"},
                      {"continuing_subword_prefix", ""},
                      {"max_input_chars_per_word", 100}};
  EXPECT_EQ(as_text(words, "a </s>"), (Ids{2, 3, 4}));
  EXPECT_EQ(as_text({{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "<u>"}}, "a </s>"), (Ids{2, 0}));
}

TEST_F(TokenizerJsonTest, FuseAloneShowsTheAlphabet) {
  auto json = bpe_json({});
  json["decoder"] = {{"type", "Fuse"}};
  EXPECT_EQ(load(json)->decode(Ids{'a', ' ', 'b'}),
            "a\xC4\xA0"
            "b");
  json["decoder"] = {{"type", "Sequence"}, {"decoders", {bpe_json({})["decoder"], {{"type", "Fuse"}}}}};
  EXPECT_EQ(load(json)->decode(Ids{'a', ' ', 'b'}), "a b");
}

// `tokenizers` numbers added tokens itself, whatever the file says.
TEST_F(TokenizerJsonTest, AddedTokensAreNumberedAnew) {
  auto json = bpe_json({"a b"});
  json["added_tokens"] = {added(300, "<x>", true), added(257, "ab", true), added(9, "", true), added(7, "<y>", true),
                          added(8, "<x>", false)};
  const auto tokenizer = load(json);
  EXPECT_EQ(tokenizer->token_id("<x>"), 257);
  EXPECT_EQ(tokenizer->token_id("ab"), 256);
  EXPECT_EQ(tokenizer->token_id("<y>"), 258);
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_TRUE(tokenizer->is_special(257));  // whatever is said of it later

  json["model"]["vocab"]["<far>"] = 300;  // gaps are filled
  json["added_tokens"] = {added(258, "<x>", true), added(300, "<far>", true), added(301, "<y>", true)};
  const auto with_gaps = load(json);
  EXPECT_EQ(with_gaps->token_id("<x>"), 258);
  EXPECT_EQ(with_gaps->token_id("<far>"), 300);
  EXPECT_EQ(with_gaps->token_id("<y>"), 259);
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
  // The one of GPT-2 names nothing; of it alone the end of a text is known all the same.
  json["added_tokens"] = {added(256, "<|endoftext|>", true), added(257, "<pad>", true)};
  write(json.dump());
  write(R"({"model_max_length": 1024})", "tokenizer_config.json");
  tokenizer = load_tokenizer(folder_);
  EXPECT_EQ(tokenizer->eos(), 256);
  EXPECT_FALSE(tokenizer->bos() || tokenizer->pad());
  write(R"({"eos_token": null})", "tokenizer_config.json");
  tokenizer = load_tokenizer(folder_);
  EXPECT_FALSE(tokenizer->eos());
  EXPECT_FALSE(tokenizer_of_files(tokenizer_files(*tokenizer), "kept")->eos());
}

// What a dataset keeps is the same tokenizer when it is read again, whoever named its tokens.
TEST_F(TokenizerJsonTest, KeptFilesAreTheTokenizer) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "</s>", true), added(257, "<|eot|>", true)};
  const auto usual = load(json), named = load(json, {.eos = "<|eot|>", .pad = "</s>"});
  EXPECT_EQ(tokenizer_files(*usual).size(), 1);  // </s> is the end of a text by its name
  const auto again = tokenizer_of_files(tokenizer_files(*named), "kept");
  EXPECT_EQ(again->eos(), 257);
  EXPECT_EQ(again->pad(), 256);
  EXPECT_EQ(again->digest(), named->digest());
  EXPECT_NE(again->digest(), usual->digest());
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

// What tokenizer_config.json names for others is written as it was read, the attributes of a token included.
TEST_F(TokenizerJsonTest, OtherRolesAreKept) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "<mask>", true), added(257, "</s>", true), added(258, "[SEP]", true)};
  const Json mask = {{"__type", "AddedToken"}, {"content", "<mask>"}, {"lstrip", true}};
  const Json given = {{"mask_token", mask}, {"unk_token", "</s>"}, {"eos_token", "</s>"}, {"cls_token", "[CLS]"}};
  write(given.dump(), "tokenizer_config.json");
  write(R"({"sep_token": "[SEP]", "unk_token": "[SEP]"})", "special_tokens_map.json");
  const auto tokenizer = load(json);
  save_tokenizer(*tokenizer, folder_ / "saved");
  const auto config = Json::parse(core::read_text(folder_ / "saved/tokenizer_config.json"));
  EXPECT_EQ(config["mask_token"], mask);
  EXPECT_EQ(config["unk_token"], "</s>");  // of the file that is asked first
  EXPECT_EQ(config["sep_token"], "[SEP]");
  EXPECT_FALSE(config.contains("cls_token"));  // no token of the file
  std::filesystem::remove(folder_ / "tokenizer_config.json");
  std::filesystem::remove(folder_ / "special_tokens_map.json");
  EXPECT_EQ(load(json)->digest(), tokenizer->digest());  // they decide no id
  write(R"({"unk_token": 3})", "tokenizer_config.json");
  EXPECT_THAT(refusal([](Json&) {}), HasSubstr("tokenizer_config.json: unk_token: error: expected a string, found 3"));
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
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "\\p{NoSuch}"}};
  EXPECT_THROW(load(json), Error);
}

using Matches = std::vector<std::pair<size_t, size_t>>;
Matches matches(const std::string& expression, std::string_view text) {
  return Pattern(expression, "test").matches(text);
}

TEST(Pattern, Oniguruma) {
  EXPECT_EQ(matches("[a-z&&[^b]]+", "abca"), (Matches{{0, 1}, {2, 4}}));
  EXPECT_EQ(matches(" ?[^(\\s|[.,]x)]+", "ab.c x|d"), (Matches{{0, 2}, {3, 4}, {7, 8}}));
  EXPECT_EQ(matches("[[:digit:]a]+", "12ab"), (Matches{{0, 3}}));
  EXPECT_EQ(matches("\\d{2}+", "12345"), (Matches{{0, 4}}));  // repeats, where other dialects never give back
  EXPECT_EQ(matches("x{,2}", "xxx"), (Matches{{0, 2}, {2, 3}}));
  EXPECT_EQ(matches("^b|c$", "a\nb\nc\n"), (Matches{{2, 3}, {4, 5}}));
  EXPECT_EQ(matches("(?m:a.b)", "a\nb"), (Matches{{0, 3}}));
  EXPECT_EQ(matches("", "ab"), (Matches{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(matches("a*", "baa"), (Matches{{0, 0}, {1, 3}}));  // none right behind a match
  EXPECT_EQ(matches("\\bb", "ab b"), (Matches{{3, 4}}));
  EXPECT_EQ(matches("[]a]", "]a"), (Matches{{0, 1}, {1, 2}}));
  EXPECT_EQ(matches("[a\\-z]", "a-b"), (Matches{{0, 1}, {1, 2}}));
  EXPECT_EQ(matches("\\w", "\xC2\xB2"), (Matches{{0, 2}}));
  EXPECT_TRUE(matches("[\\w]", "\xC2\xB2").empty());
  EXPECT_EQ(matches("[[:punct:]]", "a+"), (Matches{{1, 2}}));
  EXPECT_TRUE(matches("\\p{Punct}", "a+").empty());
  EXPECT_EQ(matches("(?i:[^s])", "sSt"), (Matches{{2, 3}}));
}

TEST(Pattern, RefusesWhatItCannotSay) {
  for (const char* expression : {"(?~a)", "\\K", "[a", "\\xFF", "\\p{", "a{2}?", "[z-a]", "(*FAIL)", "\\", "[a&&"}) {
    EXPECT_THROW(Pattern(expression, "test"), Error) << expression;
  }
  EXPECT_THROW(Pattern(std::string(1000, '['), "test"), Error);
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
