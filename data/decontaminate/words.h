// A text as the words that are compared: without case, accents, punctuation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/segment.h"

namespace plumb::data::decontaminate {

// Words by Unicode Annex 29 in lower case and without accents; signs that are no letter, digit or mark are left out,
// within words too ("don't" and "don’t" are "dont"), and words that are nothing else.
struct Words {
  std::string text;               // each word and a space
  std::vector<uint32_t> offsets;  // of each word in `text`, then its size
  std::vector<uint64_t> hashes;   // of each word
  std::vector<TextSpan> spans;    // of each word in the text as it was given

  size_t size() const { return hashes.size(); }
  std::string_view run(size_t first, size_t count) const {
    return std::string_view(text).substr(offsets[first], offsets[first + count] - 1 - offsets[first]);
  }
};

// Any bytes: those that are not UTF-8 separate words. Less than 4 GiB, else Error(bad_input).
void words_of(std::string_view text, Words&);

// A sum over words that moves along a text: the number of words n in a row from `first` on is at(first, n).
class RollingHash {
 public:
  explicit RollingHash(size_t longest);
  void read(const std::vector<uint64_t>& hashes);
  uint64_t at(size_t first, size_t count) const {
    // Texts of different lengths must not share a key by construction: the length stands in it.
    return mix(sums_[first + count] - sums_[first] * powers_[count] + count);
  }

 private:
  std::vector<uint64_t> powers_, sums_;
  static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93ULL;
    return x ^ (x >> 32);
  }
};

}  // namespace plumb::data::decontaminate
