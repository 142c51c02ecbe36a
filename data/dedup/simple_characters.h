// What simplification makes of every code point: lower case, without marks; digits, separators and the rest apart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

enum class SimpleClass : uint8_t {
  separator,  // white space, controls, punctuation
  letter,     // letters, numbers that are no digits, spacing marks: parts of a word
  digit,      // Nd
  single,     // a word of its own: Han, kana and other scripts without spaces, symbols
  nothing,    // marks (Mn) and invisible format characters
  complex,    // letters of scripts whose words only a dictionary can tell (Thai, Lao, Khmer, Burmese)
};

class SimpleCharacters {
 public:
  static const SimpleCharacters& table();  // made once, about 20 ms

  struct Entry {
    SimpleClass kind;
    uint8_t length;   // of the simplified UTF-8
    uint32_t offset;  // in bytes(), where at least 16 bytes may be read
  };
  static constexpr uint32_t tabulated = 0x20000;
  const Entry& operator[](uint32_t code_point) const { return entries_[code_point]; }  // below tabulated
  SimpleClass beyond(uint32_t code_point) const;                                       // the others, kept as they are
  const char* bytes(const Entry& entry) const { return pool_.data() + entry.offset; }
  // 0: separator; the simplified character; 0xFF: not ASCII.
  const std::array<unsigned char, 256>& ascii() const { return ascii_; }
  static std::string identity();  // the Unicode tables it was made from

 private:
  SimpleCharacters();
  std::vector<Entry> entries_;
  std::string pool_;
  std::array<unsigned char, 256> ascii_;
};

// Well-formed UTF-8 at `at`; length 0 if it is not.
struct SimpleDecoded {
  uint32_t code_point, length;
};
SimpleDecoded decode_simple(std::string_view text, size_t at);

}  // namespace plumb::data
