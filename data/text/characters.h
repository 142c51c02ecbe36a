// What cleaning asks about a character, from ICU's tables (and datatrove's two lists of punctuation), in one look-up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

// Word_Break of UAX 29; dictionary: letters of scripts without spaces.
enum class WordClass : uint8_t {
  other,
  letter,  // ALetter
  hebrew_letter,
  numeric,
  extend_num_let,
  katakana,
  regional_indicator,
  space,  // WSegSpace
  mid_letter,
  mid_num,
  mid_num_let,
  single_quote,
  double_quote,
  cr,
  lf,
  newline,
  extend,
  format,
  zwj,
  dictionary,
};

// Sentence_Break of UAX 29.
enum class SentenceClass : uint8_t {
  other,
  lower,
  upper,
  letter,  // OLetter
  numeric,
  a_term,
  s_term,
  close,
  space,
  s_continue,
  separator,
  cr,
  lf,
  extend,  // and Format
};

inline constexpr uint16_t kIsLetter = 1;            // category L, as str.isalpha()
inline constexpr uint16_t kIsSpace = 2;             // str.isspace()
inline constexpr uint16_t kIsPunctuation = 4;       // datatrove PUNCTUATION_SET
inline constexpr uint16_t kIsTerminal = 8;          // datatrove TERMINAL_PUNCTUATION
inline constexpr uint16_t kIsPictographic = 16;     // Extended_Pictographic
inline constexpr uint16_t kIsRightToLeft = 32;      // bidi class R or AL
inline constexpr uint16_t kIsNonspacingMark = 64;   // category Mn
inline constexpr uint16_t kIsLineEnd = 128;         // where str.splitlines() cuts
inline constexpr uint16_t kIsComplexContext = 256;  // Thai, Lao, Khmer, Burmese, ...: zero-width space means something
inline constexpr uint16_t kIsAssigned = 512;
inline constexpr uint16_t kIsHangul = 1024;

struct Character {
  WordClass word = WordClass::other;
  SentenceClass sentence = SentenceClass::other;
  uint16_t flags = 0;
  auto operator<=>(const Character&) const = default;
};

class CharacterTable {
 public:
  CharacterTable();
  const Character& operator[](uint32_t code_point) const {
    return characters_[block_[code_point >> 7] + (code_point & 127)];
  }

 private:
  std::array<uint32_t, 0x110000 / 128> block_{};
  std::vector<Character> characters_;
};
const CharacterTable& characters();  // made at the first call

// Code points of valid UTF-8.
size_t count_code_points(std::string_view text);
// str.strip(), lstrip(), rstrip() of Python.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
inline std::string_view strip(std::string_view text) { return strip_left(strip_right(text)); }

// Calls take(line) for each line of str.splitlines().
template <class Take>
void for_each_line(std::string_view text, Take take);

// Place and length of the first line end at or after `from`; {text.size(), 0} when there is none. CR LF is one.
struct LineEnd {
  size_t at, length;
};
LineEnd find_line_end(std::string_view text, size_t from);

template <class Take>
void for_each_line(std::string_view text, Take take) {
  for (size_t begin = 0; begin < text.size();) {
    const LineEnd end = find_line_end(text, begin);
    take(text.substr(begin, end.at - begin));
    begin = end.at + end.length;
  }
}

std::string icu_version();  // "72.1, Unicode 15.0"

}  // namespace plumb::data
