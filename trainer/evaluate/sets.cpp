#include "trainer/evaluate/sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "trainer/evaluate/bootstrap.h"
#include "trainer/evaluate/items.h"
#include "trainer/evaluate/likelihood.h"
#include "trainer/evaluate/ranks.h"
#include "trainer/generate/generate.h"

namespace plumb::evaluate {
namespace {

// Prompts that step together. Fixed, so that an answer does not depend on the number of ranks.
constexpr size_t kGroup = 16;

void score_text(const Prepared& prepared, const Subject& subject, Score& score) {
  const auto& sequences = prepared.sequences;
  const auto sums = log_likelihoods(subject.engine, subject.ranks, sequences);
  const bool per_byte = score.metric == "bits_per_byte";
  for (size_t i = 0; i < sums.size(); ++i) {
    score.item_sums.push_back(per_byte ? -sums[i] / std::numbers::ln2 : -sums[i]);
    score.item_weights.push_back(per_byte ? prepared.bytes[i] : static_cast<double>(sequences[i].ids.size() - 1));
  }
}

void score_answers(const Prepared& prepared, const Subject& subject, Score& score) {
  const auto& sequences = prepared.sequences;
  const auto sums = log_likelihoods(subject.engine, subject.ranks, sequences);
  for (size_t i = 0; i < sums.size(); ++i) {
    double tokens = 0;
    for (size_t k = 1; k < sequences[i].weight.size(); ++k) tokens += sequences[i].weight[k];
    score.item_sums.push_back(-sums[i]);
    score.item_weights.push_back(tokens);
  }
}

// The choice with the largest probability, its end token included, is the model's answer; the first of equals. A sum
// over fewer tokens is larger, so that short choices win: multiple_choice_norm is the mean over the bytes of a choice,
// which lm-evaluation-harness calls acc_norm.
void score_choices(const Prepared& prepared, const Subject& subject, Score& score) {
  auto sums = log_likelihoods(subject.engine, subject.ranks, prepared.sequences);
  if (score.metric == "multiple_choice_norm") {
    auto sum = sums.begin();
    for (const auto& question : prepared.questions) {
      for (const auto& choice : question.choices) *sum++ /= static_cast<double>(std::max<size_t>(choice.size(), 1));
    }
  }
  auto next = sums.begin();
  for (const auto& question : prepared.questions) {
    const auto end = next + static_cast<int64_t>(question.choices.size());
    const auto best = static_cast<size_t>(std::max_element(next, end) - next);
    score.item_sums.push_back(best == question.right ? 1 : 0);
    score.item_weights.push_back(1);
    next = end;
  }
}

// Case of ASCII letters and white space do not count.
std::string normalised(const std::string& text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// Weights are held for as long as answers are generated, also when something throws.
class Held {
 public:
  explicit Held(engine::Engine& engine) : engine_(engine) { engine_.hold(); }
  ~Held() { engine_.release(); }
  Held(const Held&) = delete;
  const model::HeldModel& model() const { return engine_.held(); }

 private:
  engine::Engine& engine_;
};

void score_exact_match(const Prepared& prepared, const Subject& subject, Score& score) {
  const auto& questions = prepared.questions;
  const auto& prompts = prepared.prompts;
  generate::Options options;
  options.max_new_tokens = subject.max_new_tokens;
  options.temperature = subject.temperature;
  options.seed = subject.seed;
  options.end_ids = subject.end_ids;
  options.vocabulary = subject.tokenizer.vocab_size();
  std::vector<double> right(questions.size(), 0.0);
  const Held held(subject.engine);
  const auto size = static_cast<size_t>(subject.ranks.size()), me = static_cast<size_t>(subject.ranks.rank());
  for (size_t first = me * kGroup; first < prompts.size(); first += size * kGroup) {
    const size_t last = std::min(first + kGroup, prompts.size());
    options.first_sequence = first;
    const auto answers = generate::generate(
        held.model(), {prompts.begin() + static_cast<int64_t>(first), prompts.begin() + static_cast<int64_t>(last)},
        options);
    for (size_t i = first; i < last; ++i) {
      const std::string said = subject.tokenizer.decode(answers[i - first].ids, true);
      right[i] = normalised(said) == normalised(questions[i].answer) ? 1 : 0;
    }
  }
  sum_over_ranks(subject.ranks, right);
  score.item_sums = std::move(right);
  score.item_weights.assign(questions.size(), 1.0);
}

}  // namespace

bool counts_by_token(const std::string& metric) {
  return metric == "perplexity" || metric == "answer_nll" || metric == "loss";
}

bool larger_is_better(const std::string& metric) {
  if (in_points(metric)) return true;
  for (const char* known : {"perplexity", "bits_per_byte", "answer_nll", "loss"}) {
    if (metric == known) return false;
  }
  fail_input(
      "eval", "unknown metric \"" + metric + "\"",
      "perplexity bits_per_byte answer_nll multiple_choice multiple_choice_norm exact_match, and validation.loss");
}

Score evaluate_set(const config::EvalSet& set, const Subject& subject, double confidence) {
  Score score;
  score.name = set.name;
  score.role = set.role;
  score.metric = set.metric;
  const Reader reader{subject.tokenizer, subject.chat, subject.sequence_length,
                      subject.engine.options().spec.max_position_embeddings};
  const auto prepared = prepare(set, reader);
  if (!prepared.bytes.empty()) {
    score_text(prepared, subject, score);
  } else if (!prepared.prompts.empty()) {
    score_exact_match(prepared, subject, score);
  } else if (is_choice(set.metric)) {
    score_choices(prepared, subject, score);
  } else {
    score_answers(prepared, subject, score);
  }
  double sum = 0, weight = 0;
  for (const double item : score.item_sums) sum += item;
  for (const double item : score.item_weights) weight += item;
  score.n = static_cast<int64_t>(score.item_sums.size());
  score.value = metric_value(score.metric, sum, weight);
  score.half_width = bootstrap(score, confidence).half_width();
  return score;
}

nlohmann::ordered_json Score::json() const {
  return {{"name", name},           {"role", role},
          {"metric", metric},       {"n", n},
          {"value", value},         {"half_width", half_width},
          {"item_sums", item_sums}, {"item_weights", item_weights}};
}

Score Score::from_json(const nlohmann::ordered_json& json) {
  try {
    Score score;
    score.name = json.at("name").get<std::string>();
    score.role = json.at("role").get<std::string>();
    score.metric = json.at("metric").get<std::string>();
    score.n = json.at("n").get<int64_t>();
    score.value = json.at("value").get<double>();
    score.half_width = json.at("half_width").get<double>();
    score.item_sums = json.at("item_sums").get<std::vector<double>>();
    score.item_weights = json.at("item_weights").get<std::vector<double>>();
    if (score.item_sums.size() != score.item_weights.size() ||
        score.n != static_cast<int64_t>(score.item_sums.size())) {
      fail_input("score " + score.name, "its items do not match in number");
    }
    return score;
  } catch (const nlohmann::json::exception& error) {
    fail_input("score", std::string("not a stored score: ") + error.what());
  }
}

}  // namespace plumb::evaluate
