// Which windows of a text stood in it before: a suffix array and a bit for each byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace plumb::data {

// Bit p of the result: text[p, p + length) lies in one document and is equal to a window in one document that ended at
// or before p. `ends`: where each document ends, ascending, the last one at text.size(). 8.2 bytes for each of text.
std::vector<uint64_t> repeated_windows(std::string_view text, const std::vector<uint64_t>& ends, uint64_t length);

}  // namespace plumb::data
