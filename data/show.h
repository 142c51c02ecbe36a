// Tokens for a person to read: what is trained on, where documents meet.
#pragma once

#include "data/dataset.h"

namespace plumb::data {

// Decoded text of a sample; trained tokens green, or in [[...]] without colours. Special tokens show by their text.
std::string show_sample(const Sample&, const Tokenizer&, bool colours);
// One row of a batch: a line for each segment with its document's id, padding counted.
std::string show_row(const Batch&, int64_t row, const Tokenizer&, bool colours);
// "8 malformed of 597 documents: see FOLDER/quarantine.jsonl and ...": what a user must hear of; "" where nothing is
// malformed or empty.
std::string show_left_out(const Dataset&);

}  // namespace plumb::data
