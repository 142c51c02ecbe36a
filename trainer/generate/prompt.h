// A conversation up to the answer, as the ids the model was trained to go on from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::generate {

// Rendered by the template with its opening of an answer. Special tokens count as such only in the template's markup.
std::vector<int32_t> prompt_ids(const std::vector<data::Message>& messages, const data::ChatTemplate&,
                                const data::Tokenizer&);
// Running text to be continued: the beginning-of-text token where the tokenizer puts one, then the text.
std::vector<int32_t> text_ids(const std::string& text, const data::Tokenizer&);

}  // namespace plumb::generate
