// The words that near-duplicate detection compares: lower case, every number one 0, no punctuation, no marks.
// Simplification follows datatrove (lower, numbers to 0, punctuation to space, NFD without Mn). A word is then a run
// of letters and digits between separators; a Han or kana character or a symbol is one by itself; Thai, Lao, Khmer and
// Burmese are cut by ICU's dictionaries.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

void simple_word_hashes(std::string_view text, std::vector<uint64_t>& hashes);  // in order; replaces `hashes`
std::vector<std::string> simple_words(std::string_view text);                   // the same words, to look at

}  // namespace plumb::data
