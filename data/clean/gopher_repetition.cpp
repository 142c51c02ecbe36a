// datatrove pipeline/filters/gopher_repetition_filter.py; Rae et al. 2021, table A1.
// n-grams are compared by a polynomial hash modulo 2^61 - 1 of their bytes: that of n + 1 words follows from that of n,
// and like datatrove's joined strings it does not see where one word ends and the next begins.
#include <algorithm>
#include <array>

#include "data/clean/rules.h"
#include "data/text/characters.h"

namespace plumb::data {
namespace {

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
constexpr uint64_t kBase = 0x0DB4F8A1C93E57D3 % kPrime;
constexpr size_t kPowers = 64;
constexpr size_t kMostKept = size_t{1} << 20;  // words: a thread does not hold the memory of a huge document

using Wide = unsigned __int128;

// Of anything below 2^124.
uint64_t reduce(Wide wide) {
  const Wide once = (wide & kPrime) + (wide >> 61);
  const uint64_t twice = (static_cast<uint64_t>(once) & kPrime) + static_cast<uint64_t>(once >> 61);
  return twice >= kPrime ? twice - kPrime : twice;
}
uint64_t multiply(uint64_t a, uint64_t b) { return reduce(static_cast<Wide>(a) * b); }
uint64_t add(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return sum >= kPrime ? sum - kPrime : sum;
}

const std::array<uint64_t, kPowers>& powers() {
  static const auto table = [] {
    std::array<uint64_t, kPowers> made{1};
    for (size_t i = 1; i < kPowers; ++i) made[i] = multiply(made[i - 1], kBase);
    return made;
  }();
  return table;
}

uint64_t power(size_t exponent) {
  uint64_t result = powers()[exponent % kPowers];
  uint64_t factor = multiply(powers()[kPowers - 1], kBase);
  for (exponent /= kPowers; exponent > 0; exponent /= 2) {
    if (exponent & 1) result = multiply(result, factor);
    factor = multiply(factor, factor);
  }
  return result;
}

// Four bytes at a time: a word is one short chain of multiplications.
uint64_t hash_of(std::string_view word) {
  const auto& power_of = powers();
  const auto byte = [&](size_t i) { return static_cast<Wide>(static_cast<unsigned char>(word[i]) + 1u); };
  uint64_t hash = 0;
  size_t i = 0;
  for (; i + 4 <= word.size(); i += 4)
    hash = reduce(static_cast<Wide>(hash) * power_of[4] + byte(i) * power_of[3] + byte(i + 1) * power_of[2] +
                  byte(i + 2) * power_of[1] + byte(i + 3));
  for (; i < word.size(); ++i) hash = reduce(static_cast<Wide>(hash) * power_of[1] + byte(i));
  return hash;
}

// Hashes to small numbers in the order of their first appearance.
class Numbering {
 public:
  void reset(size_t most) {
    size_t size = 16;
    while (size < most * 2) size *= 2;
    slots_.assign(size, {});
    shift_ = 64 - __builtin_ctzll(size);
    used_ = 0;
  }
  // The number of this hash and whether it is new.
  std::pair<uint32_t, bool> insert(uint64_t hash) {
    size_t at = (hash * 0x9E3779B97F4A7C15u) >> shift_;
    while (slots_[at].number != 0 && slots_[at].hash != hash) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].number != 0) return {slots_[at].number - 1, false};
    slots_[at] = {hash, ++used_};
    return {used_ - 1, true};
  }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t number = 0;  // 0: free
  };
  std::vector<Slot> slots_;
  int shift_ = 0;
  uint32_t used_ = 0;
};

// What n-grams are made of, grown by one word at a time for all places at once.
struct Grams {
  std::vector<uint64_t> word_hash, word_power;  // by word
  std::vector<uint64_t> hash;                   // of the n words from here on
  std::vector<uint32_t> begin;                  // characters before this word, all words joined; one more at the end
  size_t words = 0, n = 0;

  void start(Judged& judged) {
    words = judged.words().size();
    word_hash.resize(words), word_power.resize(words), begin.resize(words + 1);
    begin[0] = 0;
    for (size_t i = 0; i < words; ++i) {
      const std::string_view word = judged.word(judged.words()[i]);
      word_hash[i] = hash_of(word);
      word_power[i] = word.size() < kPowers ? powers()[word.size()] : power(word.size());
      begin[i + 1] = begin[i] + static_cast<uint32_t>(judged.length(word));
    }
    restart();
  }
  void restart() {
    hash = word_hash;
    n = 1;
  }
  size_t places() const { return words >= n ? words - n + 1 : 0; }
  void grow(bool with_space) {
    ++n;
    for (size_t i = 0; i < places(); ++i) {
      const uint64_t left = with_space ? add(multiply(hash[i], kBase), ' ' + uint64_t{1}) : hash[i];
      hash[i] = add(multiply(left, word_power[i + n - 1]), word_hash[i + n - 1]);
    }
  }
  size_t length(size_t place) const { return begin[place + n] - begin[place]; }
};

struct Scratch {
  Grams grams;
  Numbering numbering;
  std::vector<uint32_t> counts, places;
  std::vector<std::string_view> parts;
};

// Characters in all occurrences of the most frequent n-gram, the first of them when several are.
size_t top_gram_characters(Scratch& scratch) {
  const Grams& grams = scratch.grams;
  scratch.numbering.reset(grams.places());
  scratch.counts.clear(), scratch.places.clear();
  for (size_t i = 0; i < grams.places(); ++i) {
    const auto [number, is_new] = scratch.numbering.insert(grams.hash[i]);
    if (is_new) {
      scratch.counts.push_back(1);
      scratch.places.push_back(static_cast<uint32_t>(i));
    } else {
      ++scratch.counts[number];
    }
  }
  const auto top = std::max_element(scratch.counts.begin(), scratch.counts.end());
  const size_t place = scratch.places[static_cast<size_t>(top - scratch.counts.begin())];
  return (grams.length(place) + grams.n - 1) * *top;
}

// Characters in n-grams that were there before; a repeated one is passed over as a whole.
size_t duplicate_gram_characters(Scratch& scratch) {
  const Grams& grams = scratch.grams;
  scratch.numbering.reset(grams.places());
  size_t characters = 0;
  for (size_t i = 0; i < grams.places();) {
    if (scratch.numbering.insert(grams.hash[i]).second) {
      ++i;
    } else {
      characters += grams.length(i);
      i += grams.n;
    }
  }
  return characters;
}

// re.split(r"\n{least,}", text)
void split_at_newlines(std::string_view text, size_t least, std::vector<std::string_view>& parts) {
  parts.clear();
  size_t begin = 0;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at)) {
    size_t end = at;
    while (end < text.size() && text[end] == '\n') ++end;
    if (end - at >= least) {
      parts.push_back(text.substr(begin, at - begin));
      begin = end;
    }
    at = end;
  }
  parts.push_back(text.substr(begin));
}

Failed above(const char* key, size_t part, size_t whole, const config::ShareLimit& limit) {
  const double share = static_cast<double>(part) / static_cast<double>(whole);
  return limit && share > *limit ? Failed(key, share, limit) : Failed();
}

Failed judge_grams(const config::GopherRepetition& limits, Judged& judged, Scratch& scratch) {
  struct Rule {
    size_t n;
    const char* name;
    const config::ShareLimit& limit;
  };
  const Rule top[] = {{2, "max_top_2_gram", limits.max_top_2_gram},
                      {3, "max_top_3_gram", limits.max_top_3_gram},
                      {4, "max_top_4_gram", limits.max_top_4_gram}};
  const Rule duplicate[] = {{5, "max_duplicate_5_grams", limits.max_duplicate_5_grams},
                            {6, "max_duplicate_6_grams", limits.max_duplicate_6_grams},
                            {7, "max_duplicate_7_grams", limits.max_duplicate_7_grams},
                            {8, "max_duplicate_8_grams", limits.max_duplicate_8_grams},
                            {9, "max_duplicate_9_grams", limits.max_duplicate_9_grams},
                            {10, "max_duplicate_10_grams", limits.max_duplicate_10_grams}};
  Grams& grams = scratch.grams;
  grams.start(judged);
  for (const auto& rule : top) {
    grams.grow(true);
    if (!rule.limit || grams.places() == 0) continue;
    if (const auto failed = above(rule.name, top_gram_characters(scratch), judged.length(), rule.limit)) return failed;
  }
  grams.restart();
  for (const auto& rule : duplicate) {
    while (grams.n < rule.n) grams.grow(false);
    if (!rule.limit) continue;
    const size_t characters = duplicate_gram_characters(scratch);
    if (const auto failed = above(rule.name, characters, judged.length(), rule.limit)) return failed;
  }
  return nullptr;
}

}  // namespace

Failed judge_gopher_repetition(const config::GopherRepetition& limits, Judged& judged) {
  thread_local Scratch scratch;
  const std::string_view text = judged.text();
  if (text.empty()) return "empty";
  auto& parts = scratch.parts;
  split_at_newlines(strip(text), 2, parts);
  const Duplicates paragraphs = find_duplicates(parts, judged);
  const size_t length = judged.length();
  if (const auto failed =
          above("max_duplicate_paragraphs", paragraphs.elements, parts.size(), limits.max_duplicate_paragraphs))
    return failed;
  if (const auto failed = above("max_duplicate_paragraph_characters", paragraphs.characters, length,
                                limits.max_duplicate_paragraph_characters))
    return failed;
  split_at_newlines(text, 1, parts);
  const Duplicates lines = find_duplicates(parts, judged);
  if (const auto failed = above("max_duplicate_lines", lines.elements, parts.size(), limits.max_duplicate_lines))
    return failed;
  if (const auto failed =
          above("max_duplicate_line_characters", lines.characters, length, limits.max_duplicate_line_characters))
    return failed;
  const Failed failed = judge_grams(limits, judged, scratch);
  if (scratch.grams.words > kMostKept) scratch = {};
  return failed;
}

}  // namespace plumb::data
