// Hand-written forms of the two published splitting patterns. Each function returns the end of the first match; the
// patterns match everywhere, so that matches tile the text.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "data/tokenizer/block_scanner.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
extern const std::string_view kGpt2Pattern;
// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
extern const std::string_view kLlama3Pattern;
// The same with single digits.
extern const std::string_view kQwen2Pattern;
// kLlama3Pattern, but white space at the end of the text is one piece, with the line ends in it.
extern const std::string_view kCl100kPattern;

Scanner scanner_for(std::string_view pattern);

namespace scan {

inline constexpr uint8_t kNotOther = kLetter | kNumber | kSpace;

struct Text {
  const char* end;
  const UnicodeTable& table;
  uint8_t bits(const char* p) const {
    const auto byte = static_cast<unsigned char>(*p);
    return byte < 128 ? table.ascii()[byte] : table.bits(decode_utf8(p).value);
  }
};

inline const char* next_character(const char* p) {
  const auto lead = static_cast<unsigned char>(*p);
  return p + (lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4);
}

// How many of the sixteen bytes from p on are ASCII letters before the first that is none.
inline size_t leading_letters(const char* p) {
#if defined(__SSE2__)
  const __m128i lower = _mm_or_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), _mm_set1_epi8(0x20));
  const __m128i moved = _mm_add_epi8(lower, _mm_set1_epi8(static_cast<char>(0x80 - 'a')));  // 'a' is the least value
  const int letters = _mm_movemask_epi8(_mm_cmplt_epi8(moved, _mm_set1_epi8(-128 + 26)));
  return static_cast<size_t>(std::countr_one(static_cast<unsigned>(letters)));
#else
  size_t count = 0;
  while (count < 16 && static_cast<unsigned char>((p[count] | 0x20) - 'a') < 26) ++count;
  return count;
#endif
}

// Of these lead bytes all characters are letters in every Unicode version since 2.0: U+5000-8FFF and U+B000-CFFF.
inline bool leads_letters(unsigned char lead) { return (lead >= 0xE5 && lead <= 0xE8) || lead == 0xEB || lead == 0xEC; }

// run<kLetter, true> for text of mostly short words.
inline const char* letters(const char* p, const Text& text) {
  for (;;) {
    while (text.end - p >= 16) {
      const size_t count = leading_letters(p);
      p += count;
      if (count < 16) break;
    }
    if (p >= text.end) return p;
    const auto byte = static_cast<unsigned char>(*p);
    if (leads_letters(byte)) {
      p += 3;
    } else {
      if (!(text.bits(p) & kLetter)) return p;
      p += byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    }
    while (p < text.end && leads_letters(static_cast<unsigned char>(*p))) p += 3;
  }
}

// End of the run of characters whose bits under `mask` are `wanted` or, for wanted = 0, are none of them.
template <uint8_t mask, bool wanted>
inline const char* run(const char* p, const Text& text) {
  while (p < text.end && ((text.bits(p) & mask) != 0) == wanted) p = next_character(p);
  return p;
}

// `\s+(?!\S)|\s+` where a run of white space [p, end) starts: all of it at the end of the text or when it is one
// character, else all but its last character.
inline const char* white_space(const char* p, const char* end, const Text& text) {
  if (end == text.end) return end;
  const char* last = end - decode_utf8_before(p, end).size;
  return last == p ? end : last;
}

inline const char* contraction(const char* p, const Text& text) {
  const auto left = text.end - p;
  if (left < 2) return nullptr;
  const char a = p[1], b = left > 2 ? p[2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return p + 3;
  return nullptr;
}

// The same in any case. U+017F folds to s.
inline const char* contraction_any_case(const char* p, const Text& text) {
  const auto left = text.end - p;
  if (left < 2) return nullptr;
  const char a = static_cast<char>(p[1] | 0x20), b = left > 2 ? static_cast<char>(p[2] | 0x20) : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return p + 3;
  if (left > 2 && p[1] == '\xC5' && p[2] == '\xBF') return p + 3;
  return nullptr;
}

inline const char* next_gpt2(const char* p, const Text& text) {
  if (*p == '\'') {
    if (const char* end = contraction(p, text)) return end;
  }
  const char* start = p;
  uint8_t bits = text.bits(p);
  if (*p == ' ' && p + 1 < text.end) {
    const uint8_t after = text.bits(p + 1);
    if (!(after & kSpace)) {
      bits = after;
      start = p + 1;
    }
  }
  if (bits & kLetter) return letters(next_character(start), text);
  if (bits & kNumber) return run<kNumber, true>(next_character(start), text);
  if (!(bits & kSpace)) return run<kNotOther, false>(next_character(start), text);
  return white_space(p, run<kSpace, true>(p, text), text);
}

template <bool whole_end>
inline const char* white_space_or_lines(const char* p, const Text& text) {
  const char* end = run<kSpace, true>(p, text);
  if (whole_end && end == text.end) return end;
  for (const char* q = end; q > p; --q) {  // \s*[\r\n]+ gives back up to the last line end of the run
    if (q[-1] == '\n' || q[-1] == '\r') return q;
  }
  return white_space(p, end, text);
}

template <int max_digits, bool whole_end = false>
inline const char* next_llama3(const char* p, const Text& text) {
  if (*p == '\'') {
    if (const char* end = contraction_any_case(p, text)) return end;
  }
  const uint8_t bits = text.bits(p);
  if (bits & kLetter) return letters(next_character(p), text);
  const char* second = next_character(p);
  if (bits & kNumber) {
    for (int digits = 1; digits < max_digits && second < text.end && (text.bits(second) & kNumber); ++digits)
      second = next_character(second);
    return second;
  }
  const uint8_t after = second < text.end ? text.bits(second) : kSpace;
  if ((after & kLetter) && *p != '\r' && *p != '\n') return letters(next_character(second), text);
  if (!(bits & kSpace) || (*p == ' ' && second < text.end && !(after & kNotOther))) {
    p = run<kNotOther, false>(second, text);
    while (p < text.end && (*p == '\r' || *p == '\n')) ++p;
    return p;
  }
  return white_space_or_lines<whole_end>(p, text);
}

}  // namespace scan

// Ends of the pieces from `at` on, of which next(at) is the first one's, as offsets from `base`; returns how many. The
// base is the first end, so that no piece is too long for an offset.
template <class Next>
inline size_t fill_run(const char* at, const char* text_end, std::span<uint32_t> ends, const char*& base, Next&& next) {
  size_t count = 0;
  while (at < text_end && count < ends.size()) {
    at = next(at);
    if (count == 0) base = at;
    if (at - base > std::numeric_limits<uint32_t>::max()) break;
    ends[count++] = static_cast<uint32_t>(at - base);
  }
  return count;
}

// Pieces that tile a text, in runs: of a run the first piece goes from begin() to base() + ends()[0], each other one
// from the end of the one before to the next end.
class PieceRuns {
 public:
  // Valid UTF-8 that outlives the runs. `tier`: how blocks are read where the scanner can do so; nullptr: it shall not.
  PieceRuns(Scanner scanner, std::string_view text, const BlockTier* tier = best_block_tier());

  bool next();  // false: no further run
  const char* begin() const { return begin_; }
  const char* base() const { return base_; }
  const uint32_t* ends() const { return ends_.data(); }
  size_t count() const { return count_; }
  // Calls piece(begin, end) for each of the run.
  template <class Piece>
  void each(Piece&& piece) const {
    const char* begin = begin_;
    for (size_t i = 0; i < count_; ++i) {
      const char* const end = base_ + ends_[i];
      piece(begin, end);
      begin = end;
    }
  }

 private:
  template <class Next>
  void fill(Next&& next);

  Scanner scanner_;
  std::string_view text_;
  std::optional<BlockScanner> blocks_;
  const char* begin_;
  const char* base_;
  const char* end_;  // of the run
  size_t count_ = 0;
  std::array<uint32_t, BlockScanner::kRoom> ends_;
};

// Calls piece(begin, end) for every match of the scanner's pattern.
template <class Piece>
inline void scan_pieces(Scanner scanner, std::string_view content, Piece&& piece) {
  for (PieceRuns runs(scanner, content); runs.next();) runs.each(piece);
}

}  // namespace plumb::data
