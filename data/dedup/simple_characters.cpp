#include "data/dedup/simple_characters.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uversion.h>
#include <utf8proc.h>

#include <algorithm>

#include "core/config/utf8.h"

namespace plumb::data {
namespace {

bool is_han_plane(uint32_t code_point) { return code_point >= 0x20000 && code_point < 0x40000; }

// Words of these scripts stand without spaces between them; each character counts as one.
bool without_spaces(UChar32 code_point) {
  if ((code_point >= 0x3031 && code_point <= 0x3035) || code_point == 0x30FC || code_point == 0xFF70) return true;
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(code_point, &error)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_BOPOMOFO:
    case USCRIPT_YI:
    case USCRIPT_TANGUT:
    case USCRIPT_NUSHU:
      return true;
    default:
      return false;
  }
}

SimpleClass kind_of(uint32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  // A zero width space is where words may part; the others are symbols that datatrove counts as punctuation.
  for (const uint32_t separator : {0x200B, 0xB4, 0x2236, 0x2501, 0x25BA, 0xFF5E})
    if (code_point == separator) return SimpleClass::separator;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_CF:
      return SimpleClass::nothing;
    case UTF8PROC_CATEGORY_ND:
      return SimpleClass::digit;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MC:
      if (u_getIntPropertyValue(c, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT) return SimpleClass::complex;
      return without_spaces(c) ? SimpleClass::single : SimpleClass::letter;
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
      return SimpleClass::letter;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return SimpleClass::single;
    default:
      return SimpleClass::separator;
  }
}

// Lower case, canonical decomposition, no marks; as UTF-8.
std::string simplified(uint32_t code_point) {
  utf8proc_int32_t parts[32];
  int boundary = 0;
  const auto lower = utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point));
  const auto count = utf8proc_decompose_char(lower, parts, 32, UTF8PROC_DECOMPOSE, &boundary);
  std::string text;
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, 32); ++i) {
    if (utf8proc_category(parts[i]) == UTF8PROC_CATEGORY_MN) continue;
    // The final form of sigma depends on its neighbours: one form for all.
    const utf8proc_int32_t part = parts[i] == 0x3C2 ? 0x3C3 : parts[i];
    utf8proc_uint8_t bytes[4];
    text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(utf8proc_encode_char(part, bytes)));
  }
  return text;
}

}  // namespace

const SimpleCharacters& SimpleCharacters::table() {
  static const SimpleCharacters characters;
  return characters;
}

SimpleCharacters::SimpleCharacters() {
  entries_.reserve(tabulated);
  for (uint32_t c = 0; c < tabulated; ++c) {
    SimpleClass kind = kind_of(c);
    std::string text;
    if (kind == SimpleClass::digit) text = "0";
    if (kind == SimpleClass::letter || kind == SimpleClass::single || kind == SimpleClass::complex)
      text = simplified(c);
    if (text.empty() && kind != SimpleClass::separator) kind = SimpleClass::nothing;
    entries_.push_back({kind, static_cast<uint8_t>(text.size()), static_cast<uint32_t>(pool_.size())});
    pool_ += text;
  }
  pool_.append(256, '\0');
  for (unsigned c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    ascii_[c] = static_cast<unsigned char>(c >= 128 ? 0xFF : letter ? c | 0x20 : c >= '0' && c <= '9' ? '0' : 0);
  }
}

SimpleClass SimpleCharacters::beyond(uint32_t code_point) const {
  if (is_han_plane(code_point)) return SimpleClass::single;
  return code_point >= 0xE0000 && code_point < 0xE1000 ? SimpleClass::nothing : SimpleClass::letter;
}

std::string SimpleCharacters::identity() {
  return std::string("utf8proc Unicode ") + utf8proc_unicode_version() + ", ICU " U_ICU_VERSION;
}

SimpleDecoded decode_simple(std::string_view text, size_t at) {
  const size_t length = config::utf8_length(text, at);
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[at + i])); };
  switch (length) {
    case 1:
      return {byte(0), 1};
    case 2:
      return {(byte(0) & 0x1F) << 6 | (byte(1) & 0x3F), 2};
    case 3:
      return {(byte(0) & 0xF) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
    case 4:
      return {(byte(0) & 7) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
    default:
      return {0, 0};
  }
}

}  // namespace plumb::data
