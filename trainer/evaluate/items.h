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
  std::vector<std::string> choices;  // of a choice only
  size_t right = 0;
};

// All records of the set, at most `limit` and `shots` more. Malformed rows are errors: a score over fewer items than
// the file has would be another score.
std::vector<data::Record> read_records(const config::EvalSet&);
// Not for format text. Choices are the row's column `choices` (fields: {choices: COLUMN, answer: COLUMN} rename them;
// answer is an index, a letter or the text), else the distinct answers of the file when they are few.
std::vector<Question> read_questions(const config::EvalSet&);

// A set ready to be scored: sequences whose likelihood counts, or (exact_match) prompts that are to be answered.
struct Prepared {
  std::vector<Question> questions;  // none of running text
  std::vector<Sequence> sequences;  // a document, or an answer each; of a choice: every one in turn
  std::vector<double> bytes;        // running text: of the predicted tokens of each sequence
  std::vector<std::vector<int32_t>> prompts;
  SetSize size;
};
// Error(bad_input): a metric that does not fit the format, a malformed record, records that are too long (the first is
// named and the others are counted), nothing to score.
Prepared prepare(const config::EvalSet&, const Reader&);

}  // namespace plumb::evaluate
