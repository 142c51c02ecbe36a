// The pieces that blocks of 64 bytes give against those that the pattern's own rules give, one character after the
// other.
#include <gtest/gtest.h>

#include <random>

#include "data/tokenizer/scanner.h"

namespace plumb::data {
namespace {

std::vector<std::string_view> pieces(Scanner scanner, std::string_view text, const BlockTier* tier) {
  std::vector<std::string_view> result;
  for (PieceRuns runs(scanner, text, tier); runs.next();)
    runs.each([&](const char* begin, const char* end) { result.emplace_back(begin, end); });
  return result;
}

class BlockScannerTest : public ::testing::TestWithParam<size_t> {  // of block_tiers()
 protected:
  void SetUp() override {
    if (GetParam() >= block_tiers().size()) GTEST_SKIP() << "this processor has fewer ways to read blocks";
  }
  // At every place within a block.
  void expect_equal(const std::string& text) {
    const BlockTier& tier = block_tiers()[GetParam()];
    for (const Scanner scanner : {Scanner::gpt2, Scanner::llama3, Scanner::qwen2})
      ASSERT_EQ(pieces(scanner, text, &tier), pieces(scanner, text, nullptr)) << tier.name << ": " << text;
  }
};

const std::vector<std::string> kParts = {"a",
                                         "Z",
                                         "q",
                                         "s",
                                         "t",
                                         "re",
                                         "ve",
                                         "m",
                                         "ll",
                                         "d",
                                         "LL",
                                         "'",
                                         "'",
                                         "'s",
                                         "'ll",
                                         "'re",
                                         "' ",
                                         " ",
                                         " ",
                                         "  ",
                                         "\n",
                                         "\r",
                                         "\t",
                                         "\v",
                                         ".",
                                         "-",
                                         "!",
                                         "{",
                                         "\x1F",
                                         "\x7F",
                                         "@",
                                         "0",
                                         "7",
                                         "42",
                                         "1234567",
                                         "\xC2\xA0",
                                         "\xC2\x85",
                                         "\xE3\x80\x80",
                                         "\xE2\x80\x83",
                                         "\xE2\x80\xA8",
                                         "\xC3\xA9",
                                         "\xC3\x97",
                                         "\xD0\xB6",
                                         "\xC2\xB2",
                                         "\xD9\xA3",
                                         "\xCC\x81",
                                         "\xC5\xBF",
                                         "\xED\x95\x9C",
                                         "\xEA\xB0\x80",
                                         "\xEA\xA4\x80",
                                         "\xE6\xBC\xA2",
                                         "\xE4\xB7\x80",
                                         "\xE4\xB6\xBF",
                                         "\xE3\x81\x82",
                                         "\xE2\x80\x99",
                                         "\xE2\x80\x94",
                                         "\xE2\x85\xA7",
                                         "\xF0\x9D\x9F\x98",
                                         "\xF0\xA0\x80\x80",
                                         "\xF0\x9F\x98\x80",
                                         "\xED\x9F\xBF",
                                         "\xEF\xBF\xBD",
                                         std::string(1, '\0')};

TEST_P(BlockScannerTest, RandomTexts) {
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    const size_t kinds = 1 + random() % (random() % 3 ? 6 : kParts.size()), first = random() % kParts.size();
    std::string text(random() % 70, 'x');
    for (size_t n = random() % 300; n > 0; --n) {
      const std::string& part = kParts[(first + random() % kinds * 7) % kParts.size()];
      for (size_t again = random() % 20 ? 1 : random() % 200; again > 0; --again) text += part;
    }
    expect_equal(text);
  }
}

TEST_P(BlockScannerTest, EveryCharacterInContext) {
  const std::vector<std::pair<std::string, std::string>> around = {
      {"a", "a"}, {" ", " "}, {"  ", "x"}, {"1", "1"}, {"'", "'s"}, {"\n", "."}, {"\xED\x95\x9C", "\xC2\xA0"}};
  std::string text;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    for (const auto& [before, behind] : around) {
      text += before;
      append_utf8(c, text);
      text += behind;
    }
    if (c % 0x1000 == 0xFFF) {
      expect_equal(text);
      text.clear();
    }
  }
}

// What lies behind the text must not count, and the text's own end must.
TEST_P(BlockScannerTest, EveryEnd) {
  std::mt19937 random(12);
  for (int round = 0; round < 40; ++round) {
    std::string text;
    std::vector<size_t> ends;
    while (text.size() < 300) {
      ends.push_back(text.size());
      text += kParts[random() % kParts.size()];
    }
    const BlockTier& tier = block_tiers()[GetParam()];
    for (const size_t begin : ends)
      for (const size_t end : ends) {
        if (end < begin + 64) continue;
        const std::string_view part = std::string_view(text).substr(begin, end - begin);
        ASSERT_EQ(pieces(Scanner::gpt2, part, &tier), pieces(Scanner::gpt2, part, nullptr)) << part;
        ASSERT_EQ(pieces(Scanner::llama3, part, &tier), pieces(Scanner::llama3, part, nullptr)) << part;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, BlockScannerTest, ::testing::Values(0, 1));

}  // namespace
}  // namespace plumb::data
