// Words and sentences of a text by Unicode Standard Annex 29, with the character classes of the ICU that is linked.
// Spans are byte ranges of valid UTF-8 of less than 4 GiB. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace plumb::data {

struct TextSpan {
  uint32_t begin, end;
  bool operator==(const TextSpan&) const = default;
};

// Every segment that is not white space, punctuation included. Runs of Han, Kana, Thai, Lao, Khmer and Burmese, which
// are written without spaces, are divided by ICU's dictionaries.
void word_spans(std::string_view text, std::vector<TextSpan>&);

// Sentences without the white space around them; those of white space alone are left out.
void sentence_spans(std::string_view text, std::vector<TextSpan>&);

// All characters are punctuation or control characters as datatrove counts them; true for an empty text.
bool is_punctuation_only(std::string_view text);

}  // namespace plumb::data
