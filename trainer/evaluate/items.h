// The records of an evaluation set, ready to be scored.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "trainer/evaluate/likelihood.h"
#include "trainer/evaluate/sets.h"

namespace plumb::evaluate {

// What a set asks: the conversation before the answer (examples for `shots` in front), the right answer, the choices.
struct Question {
  std::vector<data::Message> prompt;
  std::string answer, where;
  std::vector<std::string> choices;  // multiple_choice only
  size_t right = 0;
};

// All records of the set, at most `limit` and `shots` more. Malformed rows are errors: a score over fewer items than
// the file has would be another score.
std::vector<data::Record> read_records(const config::EvalSet&);
// Not for format text. Choices are the row's column `choices` (fields: {choices: COLUMN, answer: COLUMN} rename them;
// answer is an index, a letter or the text), else the distinct answers of the file when they are few.
std::vector<Question> read_questions(const config::EvalSet&);
// The question answered by `answer`: ids, and weight 1 on the answer and its end token.
Sequence answered(const Question&, const std::string& answer, const Subject&);
// ids of a document with weight 1 on every token of the text that has one before it; `bytes` of those tokens.
Sequence text_sequence(const data::Record&, const Subject&, double* bytes);

}  // namespace plumb::evaluate
