#include "data/tokenizer/byte_level.h"

#include "data/tokenizer/unicode.h"

namespace plumb::data {

const std::array<uint32_t, 256>& byte_level_alphabet() {
  static const auto alphabet = [] {
    std::array<uint32_t, 256> characters{};
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      characters[byte] = printable ? byte : next++;
    }
    return characters;
  }();
  return alphabet;
}

std::string to_byte_level(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(byte_level_alphabet()[static_cast<unsigned char>(byte)], text);
  return text;
}

std::optional<std::string> from_byte_level(std::string_view token) {
  static const auto bytes = [] {
    std::array<int16_t, 0x180> table{};
    table.fill(-1);
    for (size_t byte = 0; byte < 256; ++byte) table[byte_level_alphabet()[byte]] = static_cast<int16_t>(byte);
    return table;
  }();
  std::string result;
  result.reserve(token.size());
  for (size_t at = 0; at < token.size();) {
    const CodePoint c = decode_utf8(token.data() + at);
    if (c.value >= bytes.size() || bytes[c.value] < 0) return std::nullopt;
    result += static_cast<char>(bytes[c.value]);
    at += c.size;
  }
  return result;
}

}  // namespace plumb::data
