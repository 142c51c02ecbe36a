// Characters as PyPI `tokenizers` classifies them, and UTF-8. The classes come from that library itself (Unicode 16 for
// \p{L} \p{N} \s, older tables for NFC), because ids must be equal to its ids whatever the system's Unicode version is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

struct UnicodeRange {
  uint32_t first, last;
  uint8_t bits;
};
extern const UnicodeRange kUnicodeRanges[];  // sorted; what is not covered has no bits
extern const size_t kUnicodeRangeCount;

inline constexpr uint8_t kLetter = 1, kNumber = 2, kSpace = 4, kMark = 8;  // \p{L} \p{N} \s \p{M}
inline constexpr uint8_t kWord = 16;     // what a single_word added token takes for a part of a word
inline constexpr uint8_t kNumeric = 32;  // has a numeric value (pre-tokenizer Digits)
inline constexpr uint8_t kNfc = 64;      // NFC may change or reorder it, or join it to the character before

// Two-level table: block of 256 code points -> its distinct content.
class UnicodeTable {
 public:
  UnicodeTable();
  uint8_t bits(uint32_t code_point) const {
    return code_point < 128 ? ascii_[code_point] : blocks_[block_[code_point >> 8]][code_point & 255];
  }
  const std::array<uint8_t, 128>& ascii() const { return ascii_; }

 private:
  std::array<uint8_t, 128> ascii_{};
  std::array<uint8_t, 0x1100> block_{};
  std::vector<std::array<uint8_t, 256>> blocks_;
};
const UnicodeTable& unicode_table();

struct CodePoint {
  uint32_t value;
  uint32_t size;  // bytes
};

// First character of valid UTF-8; `at` is not the end.
inline CodePoint decode_utf8(const char* at) {
  const auto* p = reinterpret_cast<const unsigned char*>(at);
  if (p[0] < 0x80) return {p[0], 1};
  if (p[0] < 0xE0) return {(p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu), 2};
  if (p[0] < 0xF0) return {(p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu), 3};
  return {(p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu), 4};
}
// Last character of valid UTF-8 before `end`; `begin` < `end`.
inline CodePoint decode_utf8_before(const char* begin, const char* end) {
  const char* at = end - 1;
  while (at > begin && (static_cast<unsigned char>(*at) & 0xC0) == 0x80) --at;
  return decode_utf8(at);
}
void append_utf8(uint32_t code_point, std::string& text);

bool is_valid_utf8(std::string_view text);
// Each maximal invalid part becomes U+FFFD, as Unicode 3.9 and every decoder of repute do it; *replaced counts them.
std::string repair_utf8(std::string_view text, int64_t* replaced = nullptr);
// What repair_utf8 would replace, beside the characters of more than one byte that stay.
struct InvalidUtf8 {
  int64_t parts = 0, multibyte = 0;
  size_t first = 0;  // where the first part begins
};
InvalidUtf8 invalid_utf8(std::string_view text);

// Unicode normalization form C by the tables of `tokenizers` (characters newer than those are left alone).
// Returns false and leaves `normalized` alone when `text` is in that form already.
bool normalize_nfc(std::string_view text, std::string& normalized);

}  // namespace plumb::data
