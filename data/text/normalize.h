// Normal forms (Unicode 15 of ICU) and the repair of texts that went through wrong hands. Input is valid UTF-8 unless
// said otherwise. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace plumb::data {

// In place; true when something changed.
bool to_nfc(std::string& text);
bool to_nfkc(std::string& text);
// NFD without nonspacing marks (Mn): what hides accents when texts are compared.
std::string nfd_without_marks(std::string_view text);

// How often each kind of damage was mended: invalid_utf8 mojibake c1_controls controls line_ends byte_order_mark
// zero_width bidi_controls spaces blank_lines.
using RepairCounts = std::map<std::string, int64_t>;

// Any bytes in, valid UTF-8 out. docs/data.md has the rules; what is not certain is left alone.
// keep_form_feeds: page breaks stay as they are for a later step; else they become line ends.
void repair(std::string& text, RepairCounts&, bool keep_form_feeds = false);

// UTF-8 that was read as Windows-1252 or Latin-1, line by line; returns the number of lines mended.
int64_t repair_mojibake(std::string& text);

}  // namespace plumb::data
