// GPT-2's alphabet: every byte stands for one printable character, so that any byte string is text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plumb::data {

// Character of each byte: itself where it is printable Latin-1, else U+0100 and up in the order of the bytes.
const std::array<uint32_t, 256>& byte_level_alphabet();
std::string to_byte_level(std::string_view bytes);
// Bytes of a token of such a vocabulary; nullopt when a character is not of the alphabet.
std::optional<std::string> from_byte_level(std::string_view token);

}  // namespace plumb::data
