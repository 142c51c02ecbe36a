#include "trainer/evaluate/items.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "trainer/evaluate/bootstrap.h"
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

// An empty answer has no likelihood but that of the end token, and none to compare with.
void check_answered(const std::string& answer, const std::string& where) {
  if (!trimmed(answer).empty()) return;
  fail_input(where, "expected an answer, found an empty text", "fill the answer in, or take the row out of the set");
}

// Which choice is right: by text, by a number from 0, or by a letter from A.
size_t right_choice(const config::EvalSet& set, const data::Record& record, const Question& question) {
  const auto* value = find(record.fields, column_of(set, "answer"));
  const std::string said = value ? (value->is_string() ? value->get<std::string>() : value->dump()) : question.answer;
  check_answered(said, record.where);
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
  for (const auto& record : records) {
    questions.push_back(to_question(record));
    if (!is_choice(set.metric)) check_answered(questions.back().answer, record.where);
  }
  if (is_choice(set.metric)) add_choices(set, records, questions);
  add_shots(set, questions);
  return questions;
}

namespace {

// The question answered by `answer`: ids, and weight 1 on the answer and its end token.
Sequence answered(const Question& question, const std::string& answer, const Reader& reader) {
  data::Record record;
  record.where = question.where;
  record.messages = question.prompt;
  record.messages.push_back({"assistant", answer});
  auto sample = data::make_sample(record, "messages", reader.tokenizer, reader.chat, "last_answer",
                                  data::SpecialInText::text, nullptr);
  return {std::move(sample.ids), std::move(sample.weight)};
}

// The end token has no bytes to divide its likelihood by.
void leave_out_end(Sequence& sequence) {
  const auto end = std::find_if(sequence.weight.rbegin(), sequence.weight.rend(), [](float w) { return w != 0; });
  if (end != sequence.weight.rend()) *end = 0;
}

// ids of a document with weight 1 on every token of the text that has one before it; `bytes` of those tokens.
Sequence text_sequence(const data::Record& record, const data::Tokenizer& tokenizer, double* bytes) {
  Sequence sequence;
  sequence.ids = generate::text_ids(record.text, tokenizer);
  sequence.weight.assign(sequence.ids.size(), 1.0f);
  double unseen = 0;  // the first token is predicted only where a beginning-of-text token stands before it
  if (!sequence.ids.empty()) {
    sequence.weight[0] = 0;
    if (sequence.ids[0] != tokenizer.bos()) {
      unseen = static_cast<double>(tokenizer.token_bytes(sequence.ids[0]).size());
    }
  }
  *bytes = std::max(1.0, static_cast<double>(record.text.size()) - unseen);
  return sequence;
}

// Tokens of each question; one without any, or with more than `most`, is an error that says how many there are.
void check_lengths(const Prepared& prepared, const std::vector<int64_t>& tokens, int64_t most, const std::string& what,
                   const std::string& hint) {
  const auto bad = [&](int64_t count) { return count < 1 || count > most; };
  const auto first = std::find_if(tokens.begin(), tokens.end(), bad);
  if (first == tokens.end()) return;
  const auto more = std::count_if(first + 1, tokens.end(), bad);
  fail_input(prepared.questions[static_cast<size_t>(first - tokens.begin())].where,
             fmt::format("expected {} of 1 to {} tokens, found {}{}", what, most, *first,
                         more == 0 ? "" : fmt::format(" (and {} more such record{})", more, more == 1 ? "" : "s")),
             hint);
}

void prepare_text(const config::EvalSet& set, const Reader& reader, Prepared& prepared) {
  if (set.format != "text") {
    fail_input("eval.sets." + set.name, set.metric + " needs format: text, found " + set.format,
               "answer_nll is the likelihood of answers");
  }
  if (set.shots > 0) fail_input("eval.sets." + set.name, "shots have no meaning for running text");
  for (const auto& record : read_records(set)) {
    double size = 0;
    auto sequence = text_sequence(record, reader.tokenizer, &size);
    if (sequence.ids.size() < 2) continue;  // nothing is predicted in it
    prepared.size.longest = std::max(prepared.size.longest, static_cast<int64_t>(sequence.ids.size()));
    prepared.bytes.push_back(size);
    prepared.sequences.push_back(std::move(sequence));
  }
  if (prepared.sequences.empty()) fail_input(set.path, "every document is shorter than two tokens");
  prepared.size.records = static_cast<int64_t>(prepared.sequences.size());
}

void prepare_prompts(const Reader& reader, Prepared& prepared) {
  std::vector<int64_t> tokens;
  for (const auto& question : prepared.questions) {
    prepared.prompts.push_back(generate::prompt_ids(question.prompt, reader.chat, reader.tokenizer));
    tokens.push_back(static_cast<int64_t>(prepared.prompts.back().size()));
  }
  check_lengths(prepared, tokens, reader.max_positions - 1, "a prompt", "");
  prepared.size.longest = *std::max_element(tokens.begin(), tokens.end());
}

void prepare_answers(const config::EvalSet& set, const Reader& reader, Prepared& prepared) {
  std::vector<int64_t> tokens;
  for (const auto& question : prepared.questions) {
    const std::vector<std::string> only{question.answer};
    int64_t longest = 0;
    for (const auto& answer : is_choice(set.metric) ? question.choices : only) {
      prepared.sequences.push_back(answered(question, answer, reader));
      longest = std::max(longest, static_cast<int64_t>(prepared.sequences.back().ids.size()));
      if (set.metric == "multiple_choice_norm") leave_out_end(prepared.sequences.back());
    }
    tokens.push_back(longest);
  }
  check_lengths(prepared, tokens, reader.sequence_length + 1, "a question with its answer",
                "a larger data.sequence_length, or take such records out of the set");
  prepared.size.longest = *std::max_element(tokens.begin(), tokens.end());
}

}  // namespace

Prepared prepare(const config::EvalSet& set, const Reader& reader) {
  Prepared prepared;
  if (set.metric == "perplexity" || set.metric == "bits_per_byte") {
    prepare_text(set, reader, prepared);
    return prepared;
  }
  if (set.metric != "answer_nll" && !is_choice(set.metric) && set.metric != "exact_match") {
    fail_input("eval.sets." + set.name, "unknown metric \"" + set.metric + "\"",
               "perplexity bits_per_byte answer_nll multiple_choice multiple_choice_norm exact_match");
  }
  if (set.format == "text") {
    fail_input("eval.sets." + set.name, set.metric + " needs questions and answers, found format: text",
               "format: prompt_completion, messages, alpaca or dolly");
  }
  prepared.questions = read_questions(set);
  prepared.size.records = static_cast<int64_t>(prepared.questions.size());
  if (set.metric == "exact_match") {
    prepare_prompts(reader, prepared);
  } else {
    prepare_answers(set, reader, prepared);
  }
  return prepared;
}

SetSize check_set(const config::EvalSet& set, const Reader& reader) { return prepare(set, reader).size; }

}  // namespace plumb::evaluate
