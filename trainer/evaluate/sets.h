// Scores of a model on evaluation sets, comparisons, rules. (Contract used by run/ and the eval command.)
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "parallel/communicator.h"
#include "trainer/engine/engine.h"

namespace plumb::evaluate {

// exact_match, multiple_choice and multiple_choice_norm: yes; perplexity, bits_per_byte, answer_nll, loss: no. Unknown:
// Error(bad_input).
bool larger_is_better(const std::string& metric);

// The model under test with all that its answers depend on.
struct Subject {
  engine::Engine& engine;
  const data::Tokenizer& tokenizer;
  const data::ChatTemplate& chat;
  std::vector<int32_t> end_ids;   // what ends an answer
  parallel::Communicator& ranks;  // data ranks; items are spread over them, results are equal on all
  int64_t sequence_length = 0;    // longest input; longer text is scored in windows, longer prompts are an error
  int64_t max_new_tokens = 256;
  double temperature = 0;
  uint64_t seed = 42;
};

// What turns a set's records into tokens: all that can be said about them before a model computes.
struct Reader {
  const data::Tokenizer& tokenizer;
  const data::ChatTemplate& chat;
  int64_t sequence_length = 0;  // as in Subject
  int64_t max_positions = 0;    // of the model: a prompt that is to be answered must be shorter
};

// Reads and cuts every record as evaluate_set does. What is wrong with the file is said here, before weights are
// loaded.
struct SetSize {
  int64_t records = 0;
  int64_t longest = 0;  // tokens of a document, of a question with its longest answer, or of a prompt to be answered
};
SetSize check_set(const config::EvalSet&, const Reader&);

// One set's result. Per-item values make paired intervals possible; an item's share in the mean is its weight (bytes or
// tokens for text metrics, 1 otherwise). value: shares of items in points (0..100).
struct Score {
  std::string name, role, metric;
  int64_t n = 0;
  double value = 0, half_width = 0;  // of the seeded bootstrap interval at eval.confidence
  std::vector<double> item_sums, item_weights;
  nlohmann::ordered_json json() const;
  static Score from_json(const nlohmann::ordered_json&);
};
Score evaluate_set(const config::EvalSet&, const Subject&, double confidence);  // collective over subject.ranks

struct RuleOutcome {
  std::string metric, rule;  // rule: "min_gain 10"
  bool passed = false;
  double change = 0;
  nlohmann::ordered_json json() const;
  static RuleOutcome from_json(const nlohmann::ordered_json&);
};
// `base` may be empty (no columns to compare with): then only `min` rules can be decided, others are Error(bad_input).
std::vector<RuleOutcome> apply_rules(const std::vector<config::PassRule>&, const std::vector<Score>& base,
                                     const std::vector<Score>& tuned);

// A mean over tokens: only models that cut text alike can be compared by it.
bool counts_by_token(const std::string& metric);

struct Column {
  std::string model;
  std::vector<Score> scores;
};
// The table of docs: set role metric n, a column per model, and with two or more columns the change (last - first) with
// the paired interval; rules at the row's end when given.
std::string print_table(const std::vector<Column>&, const std::vector<RuleOutcome>& rules, double confidence);
std::string markdown_table(const std::vector<Column>&, const std::vector<RuleOutcome>& rules, double confidence);

}  // namespace plumb::evaluate
