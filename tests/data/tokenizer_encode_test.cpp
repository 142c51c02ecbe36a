#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "data/tokenizer/scanner.h"
#include "tokenizer_files.h"

namespace plumb::data {
namespace {

std::vector<std::string> pieces(Scanner scanner, const std::string& text) {
  std::vector<std::string> result;
  scan_pieces(scanner, text, [&](const char* begin, const char* end) { result.emplace_back(begin, end); });
  return result;
}

using Pieces = std::vector<std::string>;

TEST(Scanner, Gpt2) {
  EXPECT_EQ(pieces(Scanner::gpt2, "it's  12a \n\n x!? it'S"),
            (Pieces{"it", "'s", " ", " 12", "a", " \n\n", " x", "!?", " it", "'", "S"}));
  EXPECT_EQ(pieces(Scanner::gpt2, "end  \n"), (Pieces{"end", "  \n"}));
  EXPECT_EQ(pieces(Scanner::gpt2, "\xED\x95\x9C \xC2\xB2\xC2\xA0z"),
            (Pieces{"\xED\x95\x9C", " \xC2\xB2", "\xC2\xA0", "z"}));
}

TEST(Scanner, Llama3) {
  EXPECT_EQ(pieces(Scanner::llama3, "IT'LL 12345 a\n\n  b\t!\r\n\n(x"),
            (Pieces{"IT", "'LL", " ", "123", "45", " a", "\n\n", " ", " b", "\t", "!\r\n\n", "(x"}));
  EXPECT_EQ(pieces(Scanner::llama3, "'\xC5\xBF'x"), (Pieces{"'\xC5\xBF", "'x"}));  // U+017F folds to s
  EXPECT_EQ(pieces(Scanner::qwen2, "a123"), (Pieces{"a", "1", "2", "3"}));
}

TEST(Scanner, KnowsItsPatterns) {
  EXPECT_EQ(scanner_for(kLlama3Pattern), Scanner::llama3);
  EXPECT_EQ(scanner_for(std::string(kLlama3Pattern) + "|x"), Scanner::none);
}

TEST_F(TokenizerTest, BytesRoundTrip) {
  const auto tokenizer = bytes_tokenizer();
  EXPECT_EQ(tokenizer->vocab_size(), 257);
  EXPECT_EQ(tokenizer->eos(), 256);
  EXPECT_FALSE(tokenizer->bos() || tokenizer->pad());
  EXPECT_EQ(ids(*tokenizer, "A\xC3\xA9\n"), (Ids{65, 0xC3, 0xA9, 10}));
  EXPECT_EQ(ids(*tokenizer, "x<|endoftext|>"), (Ids{'x', 256}));
  EXPECT_EQ(tokenizer->decode(Ids{65, 256, 0xC3, 0xA9}), "A<|endoftext|>\xC3\xA9");
  EXPECT_EQ(tokenizer->decode(Ids{65, 256, 0xC3}, true), "A\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer->token_bytes(0xC3), "\xC3");
  save_tokenizer(*tokenizer, folder_);
  const auto again = load_tokenizer(folder_);
  EXPECT_EQ(again->json(), tokenizer->json());
  EXPECT_EQ(again->digest(), tokenizer->digest());
  EXPECT_EQ(again->eos(), 256);
}

TEST_F(TokenizerTest, NamedSpecials) {
  const auto tokenizer = bytes_tokenizer({.bos = "<s>", .eos = "</s>", .pad = "</s>", .extra = {"<x>"}});
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_EQ(tokenizer->bos(), 256);
  EXPECT_EQ(tokenizer->eos(), 257);
  EXPECT_EQ(tokenizer->pad(), 257);
  EXPECT_EQ(tokenizer->token_id("<x>"), 258);
  EXPECT_TRUE(tokenizer->is_special(258));
  EXPECT_FALSE(tokenizer->is_special(97));
  Ids around;
  tokenizer->encode_with_specials("a", around);
  EXPECT_EQ(around, (Ids{256, 97}));
  EXPECT_NE(tokenizer->digest(), bytes_tokenizer({.bos = "<s>", .eos = "</s>", .pad = "<x>"})->digest());
}

// Lowest rank first, leftmost among equals, one pair at a time: the definition, in the slowest form.
Ids naive(const std::vector<std::array<int32_t, 3>>& merges, const std::string& word) {
  Ids symbols;
  for (const char c : word) symbols.push_back(static_cast<unsigned char>(c));
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& merge : merges) {
      const auto at = std::search(symbols.begin(), symbols.end(), merge.begin(), merge.begin() + 2);
      if (at == symbols.end()) continue;
      *at = merge[2];
      symbols.erase(at + 1);
      changed = true;
      break;
    }
  }
  return symbols;
}

TEST_F(TokenizerTest, MergesAsDefined) {
  std::mt19937 random(1);
  const std::vector<std::string> merges = {"a b",  "b a",   "a a",   "ab a",   "c c",  "ba ba",
                                           "aa a", "cc cc", "aba b", "cccc c", "b cc", "ab ab"};
  const auto json = bpe_json(merges);
  const auto tokenizer = load(json);
  std::vector<std::array<int32_t, 3>> table;
  for (const auto& merge : merges) {
    const auto space = merge.find(' ');
    const auto id = [&](const std::string& text) { return json["model"]["vocab"][text].get<int32_t>(); };
    const auto left = merge.substr(0, space), right = merge.substr(space + 1);
    table.push_back({id(left), id(right), id(left + right)});
  }
  for (int round = 0; round < 600; ++round) {  // short words (cached), long ones (heap)
    std::string word(1 + random() % (round % 3 == 0 ? 300 : 40), 'a');
    for (char& c : word) c = static_cast<char>('a' + random() % 3);
    const auto expected = naive(table, word);
    ASSERT_EQ(ids(*tokenizer, word), expected) << word;
    ASSERT_EQ(ids(*tokenizer, word), expected) << "second time: " << word;
    ASSERT_EQ(tokenizer->decode(expected), word);
  }
}

TEST_F(TokenizerTest, LongWordsTakeLinearTime) {
  const auto tokenizer = load(bpe_json({"a a", "aa aa", "aaaa aaaa"}));
  const std::string text(4'000'000, 'a');  // quadratic merging would take hours
  const auto result = ids(*tokenizer, text);
  EXPECT_EQ(result.size(), text.size() / 8);
  EXPECT_EQ(tokenizer->decode(result), text);
}

// Llama-2's kind of file reads the first bytes of a text apart, and may not cut a character there.
TEST_F(TokenizerTest, CharactersAcrossTheHeadOfALlamaText) {
  const std::string space = "\xE2\x96\x81";
  Json vocab = {{"<unk>", 0}, {space, 1}, {"a", 2}};
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = 3 + byte;
  for (const auto& token : {space + space, space + "a", "a" + space}) vocab[token] = vocab.size();
  const Json part = {{"type", "Prepend"}, {"prepend", space}};
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}};
  auto json = bpe_json({});
  json["pre_tokenizer"] = nullptr;
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {part, replace}}};
  json["decoder"] = {{"type", "Fuse"}};
  json["model"] = {
      {"type", "BPE"},
      {"vocab", vocab},
      {"merges", Json::array({Json::array({space, space}), Json::array({space, "a"}), Json::array({"a", space})})},
      {"unk_token", "<unk>"},
      {"byte_fallback", true}};
  const auto tokenizer = load(json);
  for (size_t letters = 56; letters < 70; ++letters) {
    Ids expected(letters, 2);
    expected.front() = 260;  // U+2581 and a
    expected.push_back(259);
    EXPECT_EQ(ids(*tokenizer, std::string(letters, 'a') + " " + space), expected) << letters;
  }
}

TEST_F(TokenizerTest, SpecialTextInDocuments) {
  auto json = bpe_json({"a b"});
  json["added_tokens"] = {added(257, "<|end|>", true), added(258, "  ", false), added(259, "<|end|>x", false)};
  const auto tokenizer = load(json);
  EXPECT_EQ(ids(*tokenizer, "ab<|end|>  ab<|end|>x"), (Ids{256, 257, 258, 256, 259}));  // the longest wins
  EncodeCounts counts;
  const auto text = ids(*tokenizer, "ab<|end|>  ", SpecialInText::text, &counts);
  EXPECT_EQ(text, (Ids{256, '<', '|', 'e', 'n', 'd', '|', '>', 258}));
  EXPECT_EQ(counts.special_texts, 1);
  EXPECT_EQ(tokenizer->decode(text), "ab<|end|>  ");
}

TEST_F(TokenizerTest, AddedTokenFlags) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "<mask>", true, {{"lstrip", true}}), added(257, "<end>", true, {{"rstrip", true}}),
                          added(258, "cat", false, {{"single_word", true}}),
                          added(259, "\n", false, {{"lstrip", true}, {"rstrip", true}})};
  const auto tokenizer = load(json);
  EXPECT_EQ(ids(*tokenizer, "a \t<mask> b"), (Ids{'a', 256, ' ', 'b'}));
  EXPECT_EQ(ids(*tokenizer, "<end>\xC2\xA0 b"), (Ids{257, 'b'}));
  EXPECT_EQ(ids(*tokenizer, "cat cats"), (Ids{258, ' ', 'c', 'a', 't', 's'}));
  EXPECT_EQ(ids(*tokenizer, "a\n \nb"), (Ids{'a', 259, 'b'}));  // the second is white space of the first
}

TEST_F(TokenizerTest, InvalidUtf8IsReplacedAndCounted) {
  const auto tokenizer = bytes_tokenizer();
  EncodeCounts counts;
  // A cut character is one maximal part; F5 and a lone continuation are one each.
  const auto result = ids(*tokenizer, "a\xE2\x82z\xF5\x80", SpecialInText::text, &counts);
  EXPECT_EQ(counts.invalid_bytes, 3);
  EXPECT_EQ(tokenizer->decode(result), "a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(TokenizerTest, PostProcessors) {
  auto json = bpe_json({});
  json["added_tokens"] = {added(256, "<s>", true), added(257, "</s>", true)};
  json["post_processor"] = {{"type", "RobertaProcessing"}, {"sep", {"</s>", 257}}, {"cls", {"<s>", 256}}};
  Ids around;
  load(json)->encode_with_specials("a", around);
  EXPECT_EQ(around, (Ids{256, 'a', 257}));
}

TEST_F(TokenizerTest, ThreadsAgree) {
  const auto one = load(bpe_json({"a b", "ab ab", "c a"}));
  const auto other = bytes_tokenizer();
  std::string text;
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) text += "abc "[random() % 4];
  const auto expected = ids(*one, text), plain = ids(*other, text);
  std::vector<std::thread> threads;
  std::vector<int> same(4, 0);
  for (size_t t = 0; t < same.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) same[t] += ids(*one, text) == expected && ids(*other, text) == plain;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(same, std::vector<int>(4, 10));
}

TEST_F(TokenizerTest, PublishedFiles) {
  const auto file = shared("tokenizers/gpt2.json");
  if (file.empty()) GTEST_SKIP() << "needs ../shared/tokenizers beside the source folder";
  const auto gpt2 = load_tokenizer(file);
  EXPECT_EQ(ids(*gpt2, "Hello world, it's 2024!"), (Ids{15496, 995, 11, 340, 338, 48609, 0}));
  EXPECT_EQ(gpt2->eos(), 50256);
  EXPECT_EQ(gpt2->json(), core::read_text(file));
  const auto neox = load_tokenizer(shared("tokenizers/gpt-neox-20b.json"));
  // NFC first: e and a combining acute are one character; then runs of spaces are tokens of their own.
  EXPECT_EQ(ids(*neox, "e\xCC\x81 \xC3\xA9     x"), (Ids{860, 3974, 50273, 89}));
}

}  // namespace
}  // namespace plumb::data
