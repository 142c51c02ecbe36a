#include <algorithm>
#include <map>
#include <random>

#include "core/error.h"
#include "tokenizer_files.h"

namespace plumb::data {
namespace {

// Counts every pair anew for each merge; highest count first, then the smallest pair of ids.
std::vector<std::string> naive_merges(const std::string& corpus, size_t merges) {
  std::vector<std::vector<std::string>> words;
  std::string word;
  for (const char c : corpus + " ") {  // GPT-2's pattern on letters and single spaces
    if (c == ' ' && !word.empty()) {
      words.emplace_back();
      for (const char byte : word) words.back().push_back(to_byte_level(std::string(1, byte)));
      word.clear();
    }
    word += c;
  }
  std::map<std::string, int> order;  // ids: the alphabet by code point, then as made
  std::vector<std::pair<uint32_t, std::string>> alphabet;
  for (int byte = 0; byte < 256; ++byte)
    alphabet.emplace_back(byte_level_alphabet()[static_cast<size_t>(byte)],
                          to_byte_level(std::string(1, static_cast<char>(byte))));
  std::sort(alphabet.begin(), alphabet.end());
  for (const auto& [code, text] : alphabet) order.emplace(text, static_cast<int>(order.size()));
  std::vector<std::string> result;
  while (result.size() < merges) {
    std::map<std::pair<int, int>, int> counts;
    std::map<std::pair<int, int>, std::pair<std::string, std::string>> texts;
    for (const auto& w : words)
      for (size_t i = 0; i + 1 < w.size(); ++i) {
        const std::pair<int, int> key{order.at(w[i]), order.at(w[i + 1])};
        ++counts[key];
        texts[key] = {w[i], w[i + 1]};
      }
    const auto best = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first > b.first;
    });
    if (best == counts.end() || best->second < 2) break;
    const auto [left, right] = texts.at(best->first);
    result.push_back(left + " " + right);
    order.emplace(left + right, static_cast<int>(order.size()));
    for (auto& w : words)
      for (size_t i = 0; i + 1 < w.size(); ++i)
        if (w[i] == left && w[i + 1] == right) {
          w[i] += right;
          w.erase(w.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return result;
}

std::string random_corpus(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> words;
  for (int i = 0; i < 60; ++i) {
    words.emplace_back();
    for (size_t n = 2 + random() % 6; n > 0; --n) words.back() += static_cast<char>('a' + random() % 5);
  }
  std::string corpus;
  for (int i = 0; i < 800; ++i)
    corpus += (i ? " " : "") + words[random() % words.size() * (random() % words.size()) / words.size()];
  return corpus;
}

class TrainTest : public TokenizerTest {};

TEST_F(TrainTest, EqualsTheDefinition) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    const auto corpus = random_corpus(seed);
    BpeTrainer trainer({.vocab_size = 257 + 60});
    trainer.add(corpus);
    const auto json = Json::parse(trainer.train()->json());
    std::vector<std::string> merges;
    for (const auto& merge : json["model"]["merges"])
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    EXPECT_EQ(merges, naive_merges(corpus, 60)) << "seed " << seed;
  }
}

TEST_F(TrainTest, AnyNumberOfThreadsAndAnyOrder) {
  const auto trained = [](int threads, bool backwards) {
    BpeTrainer trainer({.vocab_size = 320, .threads = threads});
    for (unsigned i = 0; i < 20; ++i) trainer.add(random_corpus(backwards ? 19 - i : i));
    return trainer.train()->json();
  };
  const auto one = trained(1, false);
  EXPECT_EQ(one, trained(3, false));
  EXPECT_EQ(one, trained(2, true));
}

TEST_F(TrainTest, SpecialsComeFirstAndReadBack) {
  BpeTrainer trainer({.vocab_size = 300, .specials = {.bos = "<s>", .eos = "</s>", .extra = {"<x>"}}});
  trainer.add(random_corpus(1));
  trainer.add("invalid \xFF bytes and </s> in the text");
  const auto tokenizer = trainer.train();
  EXPECT_EQ(tokenizer->vocab_size(), 300);
  EXPECT_EQ(tokenizer->bos(), 0);
  EXPECT_EQ(tokenizer->eos(), 1);
  EXPECT_EQ(tokenizer->token_id("<x>"), 2);
  save_tokenizer(*tokenizer, folder_);
  const auto again = load_tokenizer(folder_);
  EXPECT_EQ(again->digest(), tokenizer->digest());
  const std::string text = random_corpus(2) + " \xED\x95\x9C\n\n";
  EXPECT_EQ(ids(*again, text), ids(*tokenizer, text));
  EXPECT_EQ(again->decode(ids(*again, text)), text);
  EXPECT_LT(ids(*again, text).size(), text.size());
}

TEST_F(TrainTest, TooLittleTextOrTooSmallAVocabulary) {
  BpeTrainer trainer({.vocab_size = 4000});
  trainer.add("a short text, a short text");
  try {
    trainer.train();
    FAIL() << "trained 4000 tokens on two sentences";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_EQ(error.where(), "tokenizer.vocab_size");
    EXPECT_NE(error.hint().find("or more text"), std::string::npos);
  }
  EXPECT_THROW(BpeTrainer({.vocab_size = 256}), Error);
}

}  // namespace
}  // namespace plumb::data
