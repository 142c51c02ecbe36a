#include "trainer/evaluate/sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <numbers>

#include "core/error.h"
#include "core/files.h"
#include "parallel/one_communicator.h"
#include "tests/evaluate/fake_engine.h"
#include "trainer/evaluate/bootstrap.h"
#include "trainer/evaluate/items.h"

namespace plumb::evaluate {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class SetsTest : public testing::Test {
 protected:
  SetsTest() : tokenizer_(data::bytes_tokenizer()), chat_(data::chat_template("plain", "", *tokenizer_)) {
    file_ = fs::temp_directory_path() / ("plumb_sets_" + std::to_string(::getpid()) + ".jsonl");
    one_ = parallel::make_one(at::kCPU, "here");
  }
  ~SetsTest() override { fs::remove(file_); }

  config::EvalSet set(const std::string& metric, const std::string& format, const std::string& lines) {
    core::write_text(file_, lines);
    config::EvalSet set;
    set.name = "set";
    set.path = file_.string();
    set.metric = metric;
    set.format = format;
    return set;
  }
  Subject subject() { return {engine_, *tokenizer_, *chat_, {256}, *one_, 16, 32, 0, 42}; }
  Score score(const config::EvalSet& set) { return evaluate_set(set, subject(), 0.95); }
  std::string refusal(const config::EvalSet& set) {
    try {
      score(set);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      return error.what();
    }
  }
  static double text_nats(const std::string& text) {
    double sum = 0;
    std::vector<int32_t> context;
    for (size_t i = 0; i + 1 < text.size(); ++i) {
      if (i % 16 == 0) context.clear();
      context.push_back(static_cast<unsigned char>(text[i]));
      sum -= FakeEngine::logprob(context, static_cast<unsigned char>(text[i + 1]));
    }
    return sum;
  }
  // log p(answer, end | prompt, line end) as the plain template writes it.
  static double answer_nats(const std::string& prompt, const std::string& answer) {
    std::vector<int32_t> context;
    for (const char c : prompt + "\n") context.push_back(static_cast<unsigned char>(c));
    double sum = 0;
    for (const char c : answer) {
      sum -= FakeEngine::logprob(context, static_cast<unsigned char>(c));
      context.push_back(static_cast<unsigned char>(c));
    }
    return sum - FakeEngine::logprob(context, 256);
  }

  data::TokenizerPtr tokenizer_;
  data::ChatTemplatePtr chat_;
  FakeEngine engine_;
  parallel::CommunicatorPtr one_;
  fs::path file_;
};

TEST_F(SetsTest, BitsPerByteAndPerplexityCountWhatIsPredicted) {
  const std::string lines =
      "{\"text\":\"hello world\"}\n{\"text\":\"x\"}\n{\"text\":\"a text of more than sixteen bytes\"}\n";
  const double nats = text_nats("hello world") + text_nats("a text of more than sixteen bytes");
  const auto bits = score(set("bits_per_byte", "text", lines));
  EXPECT_EQ(bits.n, 2);  // in "x" nothing is predicted
  EXPECT_NEAR(bits.value, nats / std::numbers::ln2 / (10 + 32), 1e-9);
  EXPECT_THAT(bits.item_weights, ElementsAre(10, 32));
  const auto perplexity = score(set("perplexity", "text", lines));
  EXPECT_NEAR(perplexity.value, std::exp(nats / 42), 1e-9);
  EXPECT_GT(perplexity.half_width, 0);
}

TEST_F(SetsTest, AnswerLikelihood) {
  const std::string lines = "{\"prompt\":\"ab\",\"completion\":\"cd\"}\n{\"prompt\":\"q\",\"completion\":\"xyz\"}\n";
  const auto result = score(set("answer_nll", "prompt_completion", lines));
  EXPECT_NEAR(result.value, (answer_nats("ab", "cd") + answer_nats("q", "xyz")) / (3 + 4), 1e-9);
  EXPECT_THAT(refusal(set("answer_nll", "text", "{\"text\":\"x\"}\n")), HasSubstr("needs questions and answers"));
  EXPECT_THAT(
      refusal(set("answer_nll", "prompt_completion", "{\"prompt\":\"a long prompt of bytes\",\"completion\":\"x\"}\n")),
      HasSubstr("jsonl:1: error: expected a question with its answer of 1 to 17 tokens, found 25"));
  const std::string two = "{\"prompt\":\"ab\",\"completion\":\"cd\"}\n";
  const std::string large = "{\"prompt\":\"a long prompt of bytes\",\"completion\":\"x\"}\n";
  EXPECT_THAT(refusal(set("answer_nll", "prompt_completion", two + large + large + two)),
              HasSubstr("jsonl:2: error: expected a question with its answer of 1 to 17 tokens, found 25 (and 1 more "
                        "such record)"));
}

TEST_F(SetsTest, MultipleChoiceTakesTheLikeliest) {
  const std::vector<std::string> choices{"yes", "no", "maybe"};
  std::string lines, lettered, listed;
  int right = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string question = "q" + std::to_string(i);
    size_t best = 0;
    for (size_t c = 1; c < 3; ++c) {
      if (answer_nats(question, choices[c]) < answer_nats(question, choices[best])) best = c;
    }
    const size_t said = i % 3;
    right += best == said;
    lines += "{\"prompt\":\"" + question + "\",\"completion\":\"" + choices[said] + "\"}\n";
    const std::string list = "\"options\":[\"yes\",\"no\",\"maybe\"]";
    lettered += "{\"prompt\":\"" + question + "\",\"key\":\"" + std::string(1, static_cast<char>('A' + said)) + "\"," +
                list + "}\n";
    listed += "{\"prompt\":\"" + question + "\",\"key\":" + std::to_string(said) + "," + list + "}\n";
  }
  ASSERT_GT(right, 0);
  ASSERT_LT(right, 12);
  EXPECT_NEAR(score(set("multiple_choice", "prompt_completion", lines)).value, 100.0 * right / 12, 1e-9);
  for (const auto& text : {lettered, listed}) {
    auto wanted = set("multiple_choice", "prompt_completion", text);
    wanted.fields = {{"completion", "key"}, {"answer", "key"}, {"choices", "options"}};
    EXPECT_NEAR(score(wanted).value, 100.0 * right / 12, 1e-9);
  }
  EXPECT_THAT(refusal(set("multiple_choice", "prompt_completion", "{\"prompt\":\"q\",\"completion\":\"x\"}\n")),
              HasSubstr("only one choice"));
  auto wrong = set("multiple_choice", "prompt_completion",
                   "{\"prompt\":\"q\",\"completion\":\"x\",\"choices\":[\"a\",\"b\"]}\n");
  EXPECT_THAT(refusal(wrong), HasSubstr("none of the 2 choices"));
}

TEST_F(SetsTest, MultipleChoiceByByteDoesNotPreferShortChoices) {
  const std::vector<std::string> choices{"a", "abcd", "\xea\xb0\x80"};  // the last: 3 bytes
  std::string lines;
  int by_sum = 0, by_byte = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string question = "q" + std::to_string(i);
    std::vector<double> sums, means;
    for (const auto& choice : choices) {
      std::vector<int32_t> context;
      for (const char c : question + "\n" + choice) context.push_back(static_cast<unsigned char>(c));
      const double end = -FakeEngine::logprob(context, 256);
      sums.push_back(answer_nats(question, choice));
      means.push_back((sums.back() - end) / static_cast<double>(choice.size()));
    }
    const auto least = [](const auto& values) {
      return std::min_element(values.begin(), values.end()) - values.begin();
    };
    by_sum += least(sums) == 1;
    by_byte += least(means) == 1;
    lines += "{\"prompt\":\"" + question + "\",\"completion\":\"abcd\",\"choices\":[\"a\",\"abcd\",\"" + choices[2] +
             "\"]}\n";
  }
  ASSERT_GT(by_byte, by_sum);
  EXPECT_NEAR(score(set("multiple_choice", "prompt_completion", lines)).value, 100.0 * by_sum / 12, 1e-9);
  EXPECT_NEAR(score(set("multiple_choice_norm", "prompt_completion", lines)).value, 100.0 * by_byte / 12, 1e-9);
  EXPECT_TRUE(larger_is_better("multiple_choice_norm"));
}

TEST_F(SetsTest, ExactMatchComparesNormalisedAnswers) {
  const auto result =
      score(set("exact_match", "prompt_completion",
                "{\"prompt\":\"abc d\",\"completion\":\" abc   D\\n\"}\n{\"prompt\":\"hi\",\"completion\":\"ho\"}\n"
                "{\"prompt\":\"ok\",\"completion\":\"ok\"}\n"));
  EXPECT_EQ(result.n, 3);
  EXPECT_THAT(result.item_sums, ElementsAre(1, 0, 1));
  EXPECT_NEAR(result.value, 100 * 2 / 3.0, 1e-9);
  EXPECT_EQ(engine_.holds, 0);  // released again
}

TEST_F(SetsTest, LimitAndShots) {
  auto wanted = set("exact_match", "prompt_completion",
                    "{\"prompt\":\"a\",\"completion\":\"a\"}\n{\"prompt\":\"b\",\"completion\":\"b\"}\n"
                    "{\"prompt\":\"c\",\"completion\":\"c\"}\n{\"prompt\":\"d\",\"completion\":\"d\"}\n");
  wanted.limit = 2;
  EXPECT_EQ(score(wanted).n, 2);
  wanted.shots = 1;
  const auto questions = read_questions(wanted);
  ASSERT_EQ(questions.size(), 2u);
  ASSERT_EQ(questions[0].prompt.size(), 3u);
  EXPECT_EQ(questions[0].prompt[0].content, "a");
  EXPECT_EQ(questions[0].prompt[1].role, "assistant");
  EXPECT_EQ(questions[0].prompt[2].content, "b");
  wanted.shots = 9;
  EXPECT_THAT(refusal(wanted), HasSubstr("expected more than 9 records"));
}

// What a dry run says of a set: no model computes.
TEST_F(SetsTest, SetsAreMeasuredWithoutAModel) {
  const Reader reader{*tokenizer_, *chat_, 16, 12};
  const auto measured = [&](const config::EvalSet& set) {
    const auto size = check_set(set, reader);
    return std::pair(size.records, size.longest);
  };
  const std::string pairs = "{\"prompt\":\"ab\",\"completion\":\"cd\"}\n{\"prompt\":\"qr\",\"completion\":\"xyz\"}\n";
  EXPECT_EQ(measured(set("answer_nll", "prompt_completion", pairs)), std::pair(int64_t{2}, int64_t{7}));  // and the end
  EXPECT_EQ(measured(set("multiple_choice", "prompt_completion", pairs)), std::pair(int64_t{2}, int64_t{7}));
  EXPECT_EQ(measured(set("exact_match", "prompt_completion", pairs)), std::pair(int64_t{2}, int64_t{3}));
  EXPECT_EQ(measured(set("perplexity", "text", "{\"text\":\"x\"}\n{\"text\":\"more than sixteen bytes\"}\n")),
            std::pair(int64_t{1}, int64_t{23}));
  EXPECT_EQ(engine_.forwards, 0);
  const auto refused = [&](const config::EvalSet& set) {
    try {
      check_set(set, reader);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refused(set("exact_match", "prompt_completion", "{\"prompt\":\"twelve bytes\",\"completion\":\"x\"}\n")),
              HasSubstr("expected a prompt of 1 to 11 tokens, found 13"));
  EXPECT_THAT(refused(set("exact_match", "prompt_completion", pairs + "{\"prompt\":3}\n")), HasSubstr("jsonl:3"));
  EXPECT_THAT(refused(set("exact_match", "prompt_completion", "")), HasSubstr("found 0"));
}

TEST_F(SetsTest, BadSetsAreErrors) {
  EXPECT_THAT(refusal(set("bits_per_byte", "prompt_completion", "{\"prompt\":\"q\",\"completion\":\"x\"}\n")),
              HasSubstr("needs format: text"));
  EXPECT_THAT(refusal(set("rouge", "text", "{\"text\":\"abc\"}\n")), HasSubstr("unknown metric"));
  EXPECT_THAT(refusal(set("perplexity", "text", "{\"text\":\"abc\"}\n{\"txt\":1}\n")),
              HasSubstr(file_.filename().string()));
  EXPECT_THAT(refusal(set("perplexity", "text", "{\"text\":\"x\"}\n")), HasSubstr("shorter than two tokens"));
  EXPECT_THROW(larger_is_better("f1"), Error);
}

// What is scored of a row is its answer; what training would set aside, a score cannot.
TEST_F(SetsTest, RowsThatCannotBeScoredAreErrorsWithWhatHelps) {
  const std::string good = "{\"prompt\":\"a\",\"completion\":\"b\",\"choices\":[\"b\",\"c\"]}\n";
  const std::string empty = "{\"prompt\":\"a\",\"completion\":\" \\n\",\"choices\":[\"b\",\"c\"]}\n";
  const std::string chosen = "{\"prompt\":\"a\",\"completion\":\"\",\"choices\":[\"b\",\"c\"],\"answer\":\"B\"}\n";
  for (const char* metric : {"answer_nll", "multiple_choice", "multiple_choice_norm", "exact_match"}) {
    EXPECT_THAT(
        refusal(set(metric, "prompt_completion", good + empty)),
        HasSubstr("jsonl:2: error: expected an answer, found an empty text\n      hint: fill the answer in, or"))
        << metric;
    const auto malformed = refusal(set(metric, "prompt_completion", good + "{\"prompt\":\n"));
    EXPECT_THAT(malformed,
                AllOf(HasSubstr("jsonl:2: error: "), HasSubstr("hint: mend the row or take it out of the set"),
                      Not(HasSubstr("data.strict"))))
        << metric;
  }
  EXPECT_EQ(score(set("multiple_choice", "prompt_completion", good + chosen)).n, 2) << "the answer is in its column";
}

Score made(const std::string& name, const std::string& metric, std::vector<double> sums, double weight = 1) {
  Score score;
  score.name = name;
  score.role = metric == "exact_match" ? "domain" : "general";
  score.metric = metric;
  score.n = static_cast<int64_t>(sums.size());
  score.item_weights.assign(sums.size(), weight);
  double sum = 0;
  for (const double s : sums) sum += s;
  score.item_sums = std::move(sums);
  score.value = metric_value(metric, sum, weight * static_cast<double>(score.n));
  score.half_width = bootstrap(score, 0.95).half_width();
  return score;
}

std::vector<double> ones(int right, int n) {
  std::vector<double> out(static_cast<size_t>(n), 0.0);
  std::fill(out.begin(), out.begin() + right, 1.0);
  return out;
}

TEST(Bootstrap, AgreesWithTheNormalApproximation) {
  const auto score = made("s", "exact_match", ones(166, 400));
  EXPECT_NEAR(score.value, 41.5, 1e-9);
  const double p = 0.415;
  EXPECT_NEAR(score.half_width, 196 * std::sqrt(p * (1 - p) / 400), 0.3);
  EXPECT_EQ(made("s", "exact_match", ones(166, 400)).half_width, score.half_width);  // seeded
}

// Wilson (1927): of 0 or n right the interval reaches z^2 / (n + z^2) inwards.
TEST(Bootstrap, ItemsThatAllAgreeAreNotCertain) {
  const double z = 1.959963984540054, of_100 = 100 * z * z / (100 + z * z);
  for (const int right : {0, 100}) {
    EXPECT_NEAR(made("s", "exact_match", ones(right, 100)).half_width, of_100, 1e-9);
    EXPECT_NEAR(made("s", "multiple_choice", ones(right, 100)).half_width, of_100, 1e-9);
  }
  EXPECT_NEAR(bootstrap(made("s", "exact_match", ones(5, 5)), 0.99).half_width(), 57.025, 1e-3);  // z = 2.5758
  EXPECT_GT(made("s", "exact_match", ones(1, 100)).half_width, 0);
  EXPECT_EQ(made("s", "bits_per_byte", {2, 2, 2}).half_width, 0);  // no share
  const auto some = made("s", "exact_match", ones(40, 100)), none = made("s", "exact_match", ones(0, 100));
  EXPECT_NEAR(paired_bootstrap(some, some, 0.95).half_width(), of_100, 1e-9);  // the same answers
  const auto reversed = paired_bootstrap(none, made("s", "exact_match", ones(100, 100)), 0.95);
  EXPECT_NEAR(reversed.low, 100 - of_100, 1e-9);
  EXPECT_EQ(print_table({{"base", {none}}}, {}, 0.95),
            "set  role    metric         n  base\ns    domain  exact_match  100  0.0 ± 3.7\n");
}

TEST(Bootstrap, PairsMakeTheDifferenceSharper) {
  const auto base = made("s", "exact_match", ones(200, 400)), tuned = made("s", "exact_match", ones(240, 400));
  const double paired = paired_bootstrap(base, tuned, 0.95).half_width();
  EXPECT_NEAR(paired, 196 * std::sqrt(0.1 * 0.9 / 400), 0.3);  // only the 10 % that changed vary
  EXPECT_LT(paired, base.half_width);
  EXPECT_THROW(paired_bootstrap(base, made("s", "exact_match", ones(2, 4)), 0.95), Error);
}

TEST(Score, JsonRoundTrip) {
  const auto score = made("s", "bits_per_byte", {1, 2.5}, 3);
  const auto back = Score::from_json(nlohmann::ordered_json::parse(score.json().dump()));
  EXPECT_EQ(back.json(), score.json());
  auto bad = score.json();
  bad["item_sums"] = {1};
  EXPECT_THROW(Score::from_json(bad), Error);
  bad.erase("value");
  EXPECT_THROW(Score::from_json(bad), Error);
}

config::PassRule rule(const std::string& metric) {
  config::PassRule rule;
  rule.metric = metric;
  return rule;
}

TEST(Rules, GainsLossesAndFloors) {
  const std::vector<Score> base{made("triage", "exact_match", ones(166, 400)),
                                made("wiki", "bits_per_byte", {0.8, 0.8})};
  const std::vector<Score> tuned{made("triage", "exact_match", ones(313, 400)),
                                 made("wiki", "bits_per_byte", {0.808, 0.808})};
  auto gain = rule("triage.exact_match"), loss = rule("wiki.bits_per_byte"), floor = rule("triage.exact_match");
  gain.min_gain = config::Relative{10, false};
  loss.max_loss = config::Relative{1, true};  // exactly 1 %
  floor.min = 80;
  auto outcomes = apply_rules({gain, loss, floor}, base, tuned);
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_TRUE(outcomes[0].passed);
  EXPECT_EQ(outcomes[0].rule, "min_gain 10");
  EXPECT_NEAR(outcomes[0].change, 36.75, 1e-9);
  EXPECT_TRUE(outcomes[1].passed);
  EXPECT_EQ(outcomes[1].rule, "max_loss 1%");
  EXPECT_FALSE(outcomes[2].passed);
  EXPECT_EQ(outcomes[2].rule, "min 80");
  loss.max_loss = config::Relative{0.9, true};
  gain.min_gain = config::Relative{100, true};  // twice the base's 41.5
  outcomes = apply_rules({gain, loss}, base, tuned);
  EXPECT_FALSE(outcomes[0].passed);
  EXPECT_FALSE(outcomes[1].passed);
  EXPECT_THROW(apply_rules({gain}, {}, tuned), Error);
  EXPECT_NO_THROW(apply_rules({floor}, {}, tuned));
  EXPECT_THROW(apply_rules({rule("nowhere.loss")}, base, tuned), Error);
}

TEST(Rules, LossesThatShrinkAreGains) {
  const std::vector<Score> base{made("wiki", "bits_per_byte", {2.0})}, tuned{made("wiki", "bits_per_byte", {1.5})};
  auto gain = rule("wiki.bits_per_byte");
  gain.min_gain = config::Relative{0.4, false};
  gain.max_loss = config::Relative{0, false};
  for (const auto& outcome : apply_rules({gain}, base, tuned)) EXPECT_TRUE(outcome.passed);
  for (const auto& outcome : apply_rules({gain}, tuned, base)) EXPECT_FALSE(outcome.passed);
  gain.min = 1;
  EXPECT_THROW(apply_rules({gain}, base, tuned), Error);
}

TEST(Table, LooksAsSpecified) {
  const Column base{"base",
                    {made("triage", "exact_match", ones(166, 400)), made("wiki", "bits_per_byte", {0.794, 0.794})}};
  const Column tuned{"tuned",
                     {made("triage", "exact_match", ones(313, 400)), made("wiki", "bits_per_byte", {0.799, 0.799})}};
  auto gain = rule("triage.exact_match"), loss = rule("wiki.bits_per_byte");
  gain.min_gain = config::Relative{10, false};
  loss.max_loss = config::Relative{1, true};
  const auto rules = apply_rules({gain, loss}, base.scores, tuned.scores);
  EXPECT_EQ(print_table({base, tuned}, rules, 0.95),
            "set     role     metric           n  base        tuned       change       rule\n"
            "triage  domain   exact_match    400  41.5 ± 4.9  78.2 ± 4.0  +36.8 ± 4.6  min_gain 10  pass\n"
            "wiki    general  bits_per_byte    2  0.794       0.799       +0.6 %       max_loss 1%  pass\n");
  EXPECT_EQ(print_table({base}, {}, 0.95),
            "set     role     metric           n  base\n"
            "triage  domain   exact_match    400  41.5 ± 4.9\n"
            "wiki    general  bits_per_byte    2  0.794\n");
  EXPECT_THAT(
      markdown_table({base, tuned}, {}, 0.95),
      HasSubstr("| set | role | metric | n | base | tuned | change |\n|---|---|---|---:|---|---|---|\n| triage |"));
}

}  // namespace
}  // namespace plumb::evaluate
