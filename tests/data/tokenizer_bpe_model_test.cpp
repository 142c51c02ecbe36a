// Every way through BpeModel, and the cache before it, against BPE as it is defined: join the leftmost pair of the
// lowest rank until none is left.
#include <algorithm>
#include <map>
#include <random>

#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/long_merge.h"
#include "data/tokenizer/word_batch.h"
#include "tokenizer_files.h"

namespace plumb::data {
namespace {

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<BpeMerge> merges;
};

// Bytes (or the characters given), then results of random merges; some results have several merges.
Vocabulary random_vocabulary(std::mt19937& random, std::vector<std::string> first, size_t merges) {
  Vocabulary v{std::move(first), {}};
  std::map<std::string, int32_t> ids;
  for (size_t id = 0; id < v.tokens.size(); ++id) ids.emplace(v.tokens[id], static_cast<int32_t>(id));
  const size_t letters = std::min<size_t>(v.tokens.size(), 256);
  const auto draw = [&] {
    const size_t common = random() % 3 == 0 ? v.tokens.size() : 6;
    return static_cast<int32_t>(random() % 2 && v.tokens.size() > letters
                                    ? letters + random() % (v.tokens.size() - letters)
                                    : (letters == 256 ? 'a' : 0) + random() % std::min(common, letters));
  };
  while (v.merges.size() < merges) {
    const int32_t left = draw() % static_cast<int32_t>(v.tokens.size());
    const int32_t right = draw() % static_cast<int32_t>(v.tokens.size());
    const std::string joined = v.tokens[static_cast<size_t>(left)] + v.tokens[static_cast<size_t>(right)];
    if (joined.size() > 24) continue;
    const auto [at, is_new] = ids.emplace(joined, static_cast<int32_t>(v.tokens.size()));
    if (is_new) v.tokens.push_back(joined);
    v.merges.push_back({left, right, at->second});
  }
  return v;
}

std::vector<int32_t> by_definition(const Vocabulary& v, std::vector<int32_t> symbols) {
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t rank = 0; rank < v.merges.size(); ++rank) ranks[{v.merges[rank].left, v.merges[rank].right}] = rank;
  for (;;) {
    size_t best = SIZE_MAX, place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = ranks.find({symbols[i], symbols[i + 1]});
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        place = i;
      }
    }
    if (best == SIZE_MAX) return symbols;
    symbols[place] = v.merges[best].result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

class BpeModelTest : public TokenizerTest {};

TEST_F(BpeModelTest, EveryLengthEqualsTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 12; ++round) {
    std::vector<std::string> bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.push_back(to_byte_level(std::string(1, static_cast<char>(byte))));
    const Vocabulary v = random_vocabulary(random, bytes, 20 + static_cast<size_t>(round) * 40);
    const BpeModel model(v.tokens, v.merges);
    WordCache cache(round % 2 == 0);
    for (int n = 0; n < 300; ++n) {
      std::string text;
      std::vector<std::pair<size_t, size_t>> words;
      std::vector<int32_t> expected, whole, cached;
      for (size_t k = 1 + random() % 150; k > 0; --k) {
        const size_t begin = text.size(), most = random() % 40 == 0 ? 200 : random() % 6 == 0 ? 70 : 18;
        for (size_t size = 1 + random() % most; size > 0; --size)
          text += random() % 9 ? static_cast<char>('a' + random() % 6) : static_cast<char>(random());
        words.emplace_back(begin, text.size());
      }
      for (const auto& [begin, end] : words) {
        std::vector<int32_t> symbols;
        for (size_t i = begin; i < end; ++i) symbols.push_back(static_cast<unsigned char>(text[i]));
        const auto ids = by_definition(v, symbols);
        expected.insert(expected.end(), ids.begin(), ids.end());
        model.encode(std::string_view(text).substr(begin, end - begin), whole);
      }
      EXPECT_EQ(whole, expected);
      for (int pass = 0; pass < 2; ++pass) {  // the second finds the words in the cache
        cached.clear();
        WordBatch batch(model, cache, cached, text);
        for (const auto& [begin, end] : words) batch.add(text.data() + begin, text.data() + end);
        batch.finish();
        EXPECT_EQ(cached, expected) << "pass " << pass;
      }
    }
  }
}

TEST_F(BpeModelTest, PartsGiveWhatTheWholeGives) {
  std::mt19937 random(4);
  size_t cuts = 0;
  for (int round = 0; round < 30; ++round) {
    const std::vector<std::string> characters = {"a", "b", "1", ".", "\xE2\x96\x81", "\xC3\xA9", "\xED\x95\x9C"};
    Vocabulary v = random_vocabulary(random, characters, 4 + static_cast<size_t>(round) % 9);
    for (int byte = 0; byte < 256; ++byte) {
      const char* digits = "0123456789ABCDEF";
      v.tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    }
    for (const bool spaces : {false, true}) {
      BpeModel model(v.tokens, v.merges);
      model.use_characters(true);
      ASSERT_EQ(spaces && model.use_spaces_as_metaspace(), spaces);
      for (int n = 0; n < 200; ++n) {
        std::string text;
        const std::vector<std::string> more = {spaces ? " " : "\xE2\x96\x81", "\n", "\xE4\xB8\xAD", "Z"};
        for (size_t k = 1 + random() % 40; k > 0; --k)
          text += random() % 4 ? characters[random() % characters.size()] : more[random() % more.size()];
        std::vector<int32_t> whole, parts;
        model.encode(text, whole);
        const char* const end = text.data() + text.size();
        for (const char* begin = text.data(); begin < end;) {
          const char* const stop = model.first_part(begin, end);
          model.encode({begin, static_cast<size_t>(stop - begin)}, parts);
          cuts += stop < end;
          begin = stop;
        }
        EXPECT_EQ(parts, whole) << text;
      }
    }
  }
  EXPECT_GT(cuts, 10000u);
}

// Stretches so short that most places where two meet are tried.
TEST_F(BpeModelTest, StretchesGiveWhatTheWholeGives) {
  std::mt19937 random(5);
  size_t in_stretches = 0;
  for (int round = 0; round < 60; ++round) {
    const Vocabulary v = random_vocabulary(random, {"a", "b", "c", "d"}, 3 + static_cast<size_t>(round));
    const MergeTable table(v.merges, v.tokens.size());
    LongMerge merge(8 + random() % 40, 1 + random() % 8);
    for (int n = 0; n < 60; ++n) {
      std::vector<int32_t> symbols(1 + random() % 400);
      const unsigned letters = 1 + random() % 4;
      for (int32_t& symbol : symbols) symbol = static_cast<int32_t>(random() % letters);
      const auto expected = by_definition(v, symbols);
      in_stretches += symbols.size() > 50;
      symbols.resize(merge.run(table, symbols.data(), symbols.size()));
      ASSERT_EQ(symbols, expected);
    }
  }
  EXPECT_GT(in_stretches, 2000u);
}

TEST_F(BpeModelTest, StepsGrowWithTheLength) {
  std::mt19937 random(6);
  const Vocabulary v = random_vocabulary(random, {"a", "b", "c", "d"}, 400);
  const MergeTable table(v.merges, v.tokens.size());
  const auto steps = [&](size_t count, unsigned letters) {
    std::vector<int32_t> symbols(count);
    for (int32_t& symbol : symbols) symbol = static_cast<int32_t>(random() % letters);
    LongMerge merge;
    merge.run(table, symbols.data(), symbols.size());
    return static_cast<double>(merge.steps());
  };
  for (const unsigned letters : {1u, 2u, 4u}) {
    const double once = steps(1 << 20, letters), twice = steps(1 << 21, letters);
    EXPECT_LT(twice, 2.1 * once) << letters << " letters";
    EXPECT_LT(once, 8.0 * (1 << 20)) << letters << " letters";
  }
}

TEST_F(BpeModelTest, OnePieceOfAMegabyte) {
  std::vector<std::string> merges = {"a a", "aa aa", "aaaa aaaa", "b a", "aaaaaaaa b"};
  const auto tokenizer = load(bpe_json(merges));
  const std::string text(1 << 20, 'a');
  const auto found = ids(*tokenizer, text);
  EXPECT_EQ(found.size(), text.size() / 8);
  EXPECT_EQ(tokenizer->decode(found), text);
}

}  // namespace
}  // namespace plumb::data
