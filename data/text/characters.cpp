#include "data/text/characters.h"

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uversion.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// datatrove utils/text.py, PUNCTUATION without its control characters.
constexpr uint32_t kPunctuation[] = {
    0x21,   0x22,   0x23,   0x24,   0x25,   0x26,   0x27,   0x28,   0x29,   0x2A,   0x2B,   0x2C,   0x2D,   0x2E,
    0x2F,   0x3A,   0x3B,   0x3C,   0x3D,   0x3E,   0x3F,   0x40,   0x5B,   0x5C,   0x5D,   0x5E,   0x5F,   0x60,
    0x7B,   0x7C,   0x7D,   0x7E,   0xAB,   0xB4,   0xBB,   0x2013, 0x2014, 0x2019, 0x201C, 0x201D, 0x201E, 0x2026,
    0x2236, 0x2501, 0x25BA, 0x3001, 0x3002, 0x3008, 0x3009, 0x300A, 0x300B, 0x300C, 0x300D, 0x3010, 0x3011, 0xFF01,
    0xFF05, 0xFF08, 0xFF09, 0xFF0C, 0xFF0E, 0xFF11, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF5E,
};
// The same, TERMINAL_PUNCTUATION.
constexpr uint32_t kTerminal[] = {
    0x21,    0x2E,    0x3F,    0x589,   0x61D,   0x61E,   0x61F,   0x6D4,   0x700,   0x701,   0x702,   0x7F9,   0x837,
    0x839,   0x83D,   0x83E,   0x964,   0x965,   0x104A,  0x104B,  0x1362,  0x1367,  0x1368,  0x166E,  0x1735,  0x1736,
    0x17D4,  0x17D5,  0x17D6,  0x17D9,  0x17DA,  0x1803,  0x1809,  0x1944,  0x1945,  0x1AA8,  0x1AA9,  0x1AAA,  0x1AAB,
    0x1B5A,  0x1B5B,  0x1B5E,  0x1B5F,  0x1B7D,  0x1B7E,  0x1C3B,  0x1C3C,  0x1C7E,  0x1C7F,  0x203C,  0x203D,  0x2047,
    0x2048,  0x2049,  0x2E2E,  0x2E3C,  0x2E53,  0x2E54,  0x3002,  0xA4FF,  0xA60E,  0xA60F,  0xA6F3,  0xA6F7,  0xA876,
    0xA877,  0xA8CE,  0xA8CF,  0xA92F,  0xA9C8,  0xA9C9,  0xAA5D,  0xAA5E,  0xAA5F,  0xAAF0,  0xAAF1,  0xABEB,  0xFE52,
    0xFE56,  0xFE57,  0xFF01,  0xFF0E,  0xFF1F,  0xFF61,  0x10A56, 0x10A57, 0x10F55, 0x10F56, 0x10F57, 0x10F58, 0x10F59,
    0x10F86, 0x10F87, 0x10F88, 0x10F89, 0x11047, 0x11048, 0x110BE, 0x110BF, 0x110C0, 0x110C1, 0x11141, 0x11142, 0x11143,
    0x111C5, 0x111C6, 0x111CD, 0x111DE, 0x111DF, 0x11238, 0x11239, 0x1123B, 0x1123C, 0x112A9, 0x1144B, 0x1144C, 0x115C2,
    0x115C3, 0x115C9, 0x115CA, 0x115CB, 0x115CC, 0x115CD, 0x115CE, 0x115CF, 0x115D0, 0x115D1, 0x115D2, 0x115D3, 0x115D4,
    0x115D5, 0x115D6, 0x115D7, 0x11641, 0x11642, 0x1173C, 0x1173D, 0x1173E, 0x11944, 0x11946, 0x11A42, 0x11A43, 0x11A9B,
    0x11A9C, 0x11C41, 0x11C42, 0x11EF7, 0x11EF8, 0x11F43, 0x11F44, 0x16A6E, 0x16A6F, 0x16AF5, 0x16B37, 0x16B38, 0x16B44,
    0x16E98, 0x1BC9F, 0x1DA88,
};

WordClass word_class(UChar32 c) {
  switch (u_getIntPropertyValue(c, UCHAR_WORD_BREAK)) {
    case U_WB_ALETTER:
      return WordClass::letter;
    case U_WB_HEBREW_LETTER:
      return WordClass::hebrew_letter;
    case U_WB_NUMERIC:
      return WordClass::numeric;
    case U_WB_EXTENDNUMLET:
      return WordClass::extend_num_let;
    case U_WB_KATAKANA:
      return WordClass::katakana;
    case U_WB_REGIONAL_INDICATOR:
      return WordClass::regional_indicator;
    case U_WB_WSEGSPACE:
      return WordClass::space;
    case U_WB_MIDLETTER:
      return WordClass::mid_letter;
    case U_WB_MIDNUM:
      return WordClass::mid_num;
    case U_WB_MIDNUMLET:
      return WordClass::mid_num_let;
    case U_WB_SINGLE_QUOTE:
      return WordClass::single_quote;
    case U_WB_DOUBLE_QUOTE:
      return WordClass::double_quote;
    case U_WB_CR:
      return WordClass::cr;
    case U_WB_LF:
      return WordClass::lf;
    case U_WB_NEWLINE:
      return WordClass::newline;
    case U_WB_EXTEND:
      return WordClass::extend;
    case U_WB_FORMAT:
      return WordClass::format;
    case U_WB_ZWJ:
      return WordClass::zwj;
    default:
      return WordClass::other;
  }
}

SentenceClass sentence_class(UChar32 c) {
  switch (u_getIntPropertyValue(c, UCHAR_SENTENCE_BREAK)) {
    case U_SB_LOWER:
      return SentenceClass::lower;
    case U_SB_UPPER:
      return SentenceClass::upper;
    case U_SB_OLETTER:
      return SentenceClass::letter;
    case U_SB_NUMERIC:
      return SentenceClass::numeric;
    case U_SB_ATERM:
      return SentenceClass::a_term;
    case U_SB_STERM:
      return SentenceClass::s_term;
    case U_SB_CLOSE:
      return SentenceClass::close;
    case U_SB_SP:
      return SentenceClass::space;
    case U_SB_SCONTINUE:
      return SentenceClass::s_continue;
    case U_SB_SEP:
      return SentenceClass::separator;
    case U_SB_CR:
      return SentenceClass::cr;
    case U_SB_LF:
      return SentenceClass::lf;
    case U_SB_EXTEND:
    case U_SB_FORMAT:
      return SentenceClass::extend;
    default:
      return SentenceClass::other;
  }
}

// Scripts that ICU divides by dictionary: CJK ideographs and Kana, and those of line break class SA.
bool is_dictionary(UChar32 c, bool complex) {
  if (complex) return true;
  if (u_getIntPropertyValue(c, UCHAR_WORD_BREAK) == U_WB_KATAKANA) return true;
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA;
}

bool in(const uint32_t* begin, const uint32_t* end, uint32_t c) { return std::binary_search(begin, end, c); }

Character character(uint32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  Character made;
  made.word = word_class(c);
  made.sentence = sentence_class(c);
  const auto set = [&](uint16_t flag, bool holds) { made.flags |= holds ? flag : uint16_t{0}; };
  const int8_t category = u_charType(c);
  const bool terminal = in(std::begin(kTerminal), std::end(kTerminal), code_point);
  const bool control = category == U_CONTROL_CHAR && code_point != '\t' && code_point != '\n';
  const UCharDirection direction = u_charDirection(c);
  const bool complex = u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT;
  set(kIsLetter, (U_MASK(category) & U_GC_L_MASK) != 0);
  // Python: bidirectional class WS, B or S, or category Zs.
  set(kIsSpace, category == U_SPACE_SEPARATOR || direction == U_WHITE_SPACE_NEUTRAL || direction == U_BLOCK_SEPARATOR ||
                    direction == U_SEGMENT_SEPARATOR);
  set(kIsPunctuation, terminal || control || in(std::begin(kPunctuation), std::end(kPunctuation), code_point));
  set(kIsTerminal, terminal);
  set(kIsPictographic, u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC));
  set(kIsRightToLeft, direction == U_RIGHT_TO_LEFT || direction == U_RIGHT_TO_LEFT_ARABIC);
  set(kIsNonspacingMark, category == U_NON_SPACING_MARK);
  set(kIsLineEnd, (code_point >= 0xA && code_point <= 0xD) || (code_point >= 0x1C && code_point <= 0x1E) ||
                      code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029);
  set(kIsComplexContext, complex);
  set(kIsAssigned, category != U_UNASSIGNED && category != U_PRIVATE_USE_CHAR && category != U_SURROGATE);
  set(kIsHangul, u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE) != U_HST_NOT_APPLICABLE);
  const bool joins_before = made.word == WordClass::extend || made.word == WordClass::format;
  if (!joins_before && is_dictionary(c, complex)) made.word = WordClass::dictionary;
  return made;
}

}  // namespace

CharacterTable::CharacterTable() {
  std::map<std::array<Character, 128>, uint32_t> known;
  for (uint32_t block = 0; block < block_.size(); ++block) {
    const uint32_t plane = block >> 9;
    std::array<Character, 128> content{};
    // Planes 4 to 13 hold nothing, 15 and 16 private characters.
    if (plane < 4 || plane == 14)
      for (uint32_t i = 0; i < 128; ++i) content[i] = character(block * 128 + i);
    const auto [at, is_new] = known.try_emplace(content, static_cast<uint32_t>(characters_.size()));
    if (is_new) characters_.insert(characters_.end(), content.begin(), content.end());
    block_[block] = at->second;
  }
}

const CharacterTable& characters() {
  static const CharacterTable table;
  return table;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = decode_utf8(text.data());
    if (!(characters()[first.value].flags & kIsSpace)) break;
    text.remove_prefix(first.size);
  }
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const CodePoint last = decode_utf8_before(text.data(), text.data() + text.size());
    if (!(characters()[last.value].flags & kIsSpace)) break;
    text.remove_suffix(last.size);
  }
  return text;
}

LineEnd find_line_end(std::string_view text, size_t from) {
  for (size_t at = from; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20 && byte != 0xC2 && byte != 0xE2) continue;
    if (byte == '\r') return {at, at + 1 < text.size() && text[at + 1] == '\n' ? size_t{2} : size_t{1}};
    const CodePoint c = decode_utf8(text.data() + at);
    if (characters()[c.value].flags & kIsLineEnd) return {at, c.size};
  }
  return {text.size(), 0};
}

std::string icu_version() { return fmt::format("{}, Unicode {}", U_ICU_VERSION, U_UNICODE_VERSION); }

}  // namespace plumb::data
