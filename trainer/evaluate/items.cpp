#include "trainer/evaluate/items.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "trainer/generate/prompt.h"

namespace plumb::evaluate {
namespace {

constexpr size_t kMostDistinctAnswers = 20;

std::string column_of(const config::EvalSet& set, const std::string& ours) {
  const auto mapped = set.fields.find(ours);
  return mapped == set.fields.end() ? ours : mapped->second;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

const nlohmann::json* find(const nlohmann::json& row, const std::string& column) {
  const auto at = row.is_object() ? row.find(column) : row.end();
  return row.is_object() && at != row.end() && !at->is_null() ? &*at : nullptr;
}

std::vector<std::string> choices_of(const config::EvalSet& set, const data::Record& record) {
  std::vector<std::string> choices;
  const std::string column = column_of(set, "choices");
  const auto* list = find(record.fields, column);
  if (!list) return choices;
  // The Hugging Face form of some sets: {"text": [...], "label": [...]}.
  if (list->is_object() && list->contains("text")) list = &(*list)["text"];
  if (!list->is_array()) fail_input(record.where, "field \"" + column + "\": expected a list of texts");
  for (const auto& item : *list) {
    if (!item.is_string() && !item.is_number()) {
      fail_input(record.where, "field \"" + column + "\": expected a list of texts");
    }
    choices.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return choices;
}

// Which choice is right: by text, by a number from 0, or by a letter from A.
size_t right_choice(const config::EvalSet& set, const data::Record& record, const Question& question) {
  const auto* value = find(record.fields, column_of(set, "answer"));
  const std::string said = value ? (value->is_string() ? value->get<std::string>() : value->dump()) : question.answer;
  const auto& choices = question.choices;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (trimmed(choices[i]) == trimmed(said)) return i;
  }
  size_t index = choices.size();
  if (said.size() == 1 && said[0] >= 'A' && said[0] <= 'Z') index = static_cast<size_t>(said[0] - 'A');
  if (!said.empty() && said.size() < 6 && said.find_first_not_of("0123456789") == std::string::npos) {
    index = std::stoul(said);
  }
  if (index >= choices.size()) {
    fail_input(record.where,
               fmt::format("the answer \"{}\" is none of the {} choices", said.substr(0, 60), choices.size()),
               "fields: {answer: COLUMN, choices: COLUMN}; an answer is a text, a number from 0 or a letter from A");
  }
  return index;
}

Question to_question(const data::Record& record) {
  Question question;
  question.where = record.where;
  question.prompt = record.messages;
  while (!question.prompt.empty() && question.prompt.back().role != "assistant") question.prompt.pop_back();
  if (question.prompt.empty()) fail_input(record.where, "found no answer to compare with");
  question.answer = question.prompt.back().content;
  question.prompt.pop_back();
  if (question.prompt.empty()) fail_input(record.where, "found an answer without a question");
  return question;
}

void add_choices(const config::EvalSet& set, const std::vector<data::Record>& records,
                 std::vector<Question>& questions) {
  std::set<std::string> distinct;
  for (const auto& question : questions) distinct.insert(trimmed(question.answer));
  for (size_t i = 0; i < questions.size(); ++i) {
    auto& question = questions[i];
    question.choices = choices_of(set, records[i]);
    if (question.choices.empty() && distinct.size() <= kMostDistinctAnswers) {
      question.choices.assign(distinct.begin(), distinct.end());
    }
    if (question.choices.size() < 2) {
      fail_input(records[i].where,
                 question.choices.empty()
                     ? fmt::format("found no choices, and {} distinct answers in the set are too many", distinct.size())
                     : std::string("found only one choice"),
                 "a column `choices` with a list, or fields: {choices: COLUMN}");
    }
    question.right = right_choice(set, records[i], question);
  }
}

// The first `shots` records become examples in front of all others: after the question's system message, if any.
void add_shots(const config::EvalSet& set, std::vector<Question>& questions) {
  const auto shots = static_cast<size_t>(set.shots);
  if (shots == 0) return;
  std::vector<data::Message> examples;
  for (size_t i = 0; i < shots; ++i) {
    for (const auto& message : questions[i].prompt) {
      if (message.role != "system") examples.push_back(message);
    }
    auto answer = questions[i].prompt.back();
    answer = {"assistant",
              questions[i].choices.empty() ? questions[i].answer : questions[i].choices[questions[i].right]};
    examples.push_back(answer);
  }
  questions.erase(questions.begin(), questions.begin() + static_cast<int64_t>(shots));
  for (auto& question : questions) {
    const bool system = question.prompt.front().role == "system";
    question.prompt.insert(question.prompt.begin() + (system ? 1 : 0), examples.begin(), examples.end());
  }
}

}  // namespace

std::vector<data::Record> read_records(const config::EvalSet& set) {
  config::Source source;
  source.path = set.path;
  source.format = set.format;
  source.name = set.name;
  for (const auto& [ours, column] : set.fields) {
    if (ours != "choices" && ours != "answer") source.fields[ours] = column;
  }
  const int64_t most = set.limit ? *set.limit + set.shots : -1;
  if (most >= 0) source.max_documents = most;
  std::vector<data::Record> records;
  data::read_source(
      source, true,
      [&](data::Record&& record) {
        if (most < 0 || static_cast<int64_t>(records.size()) < most) records.push_back(std::move(record));
      },
      [](const std::string& where, const std::string& reason) { fail_input(where, reason); });
  if (static_cast<int64_t>(records.size()) <= set.shots) {
    fail_input(set.path, fmt::format("expected more than {} records, found {}", set.shots, records.size()));
  }
  return records;
}

std::vector<Question> read_questions(const config::EvalSet& set) {
  const auto records = read_records(set);
  std::vector<Question> questions;
  for (const auto& record : records) questions.push_back(to_question(record));
  if (set.metric == "multiple_choice") add_choices(set, records, questions);
  add_shots(set, questions);
  return questions;
}

Sequence answered(const Question& question, const std::string& answer, const Subject& subject) {
  data::Record record;
  record.where = question.where;
  record.messages = question.prompt;
  record.messages.push_back({"assistant", answer});
  auto sample = data::make_sample(record, "messages", subject.tokenizer, subject.chat, "last_answer",
                                  data::SpecialInText::text, nullptr);
  const int64_t inputs = static_cast<int64_t>(sample.ids.size()) - 1;
  if (inputs > subject.sequence_length) {
    fail_input(question.where,
               fmt::format("expected at most {} tokens with the answer, found {}", subject.sequence_length + 1,
                           sample.ids.size()),
               "a larger data.sequence_length, or take the record out of the set");
  }
  return {std::move(sample.ids), std::move(sample.weight)};
}

Sequence text_sequence(const data::Record& record, const Subject& subject, double* bytes) {
  Sequence sequence;
  sequence.ids = generate::text_ids(record.text, subject.tokenizer);
  sequence.weight.assign(sequence.ids.size(), 1.0f);
  double unseen = 0;  // the first token is predicted only where a beginning-of-text token stands before it
  if (!sequence.ids.empty()) {
    sequence.weight[0] = 0;
    if (sequence.ids[0] != subject.tokenizer.bos()) {
      unseen = static_cast<double>(subject.tokenizer.token_bytes(sequence.ids[0]).size());
    }
  }
  *bytes = std::max(1.0, static_cast<double>(record.text.size()) - unseen);
  return sequence;
}

}  // namespace plumb::evaluate
