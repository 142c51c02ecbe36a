// Reading a configuration: the samples, precedence with origins, what is derived, what is written back.
#include "core/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/config/load.h"
#include "core/error.h"
#include "core/files.h"
#include "tests/core/samples.h"

namespace plumb::config {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

Loaded load(const std::string& yaml, Purpose purpose = Purpose::train, const std::vector<std::string>& overrides = {}) {
  return load_config_text(yaml, "configs/demo/a.yaml", "/project/configs/demo", overrides, purpose);
}

const Origin& origin(const Loaded& loaded, const std::string& key) {
  const auto it = std::find_if(loaded.origins.begin(), loaded.origins.end(), [&](auto& o) { return o.key == key; });
  EXPECT_NE(it, loaded.origins.end()) << key;
  return *it;
}

TEST(Config, PretrainingSample) {
  const auto loaded = load(pretrain_sample);
  const auto& c = loaded.config;
  EXPECT_EQ(c.model.preset, "llama-1b");
  EXPECT_EQ(c.model.hidden_size, 2048);
  EXPECT_EQ(c.model.num_key_value_heads, 8);
  EXPECT_EQ(c.model.tie_word_embeddings, true);
  EXPECT_FALSE(c.model.vocab_size);
  EXPECT_EQ(c.tokenizer.type, "bpe");
  ASSERT_EQ(c.data.sources.size(), 2u);
  EXPECT_EQ(c.data.sources[0].path, "/project/corpus/web/*.jsonl.zst");
  EXPECT_EQ(c.data.sources[0].license, "ODC-BY");
  EXPECT_EQ(c.data.sources[0].name, "web");
  EXPECT_DOUBLE_EQ(c.data.validation_share, 0.001);
  EXPECT_EQ(c.train.tokens, 20000000000);
  EXPECT_EQ(c.train.schedule.warmup, (Span{Span::Unit::steps, 2000}));
  EXPECT_EQ(c.train.schedule.min_learning_rate, (Relative{10, true}));
  EXPECT_EQ(c.train.optimizer.weight_decay, 0.1);
  EXPECT_EQ(c.parallel.zero, 2);
  EXPECT_EQ(c.parallel.timeout, 600);
  EXPECT_EQ(c.output.folder, "/project/runs/llama-1b");
  EXPECT_EQ(c.output.name, "llama-1b");
  EXPECT_EQ(c.output.export_.folder, "/project/runs/llama-1b/export");
  EXPECT_EQ(c.data.cache, "/project/runs/cache");
  EXPECT_EQ(c.output.checkpoint.keep_every, (Interval{Interval::Unit::tokens, 5e9}));
  EXPECT_THAT(c.output.export_.formats, ElementsAre("hf"));
  EXPECT_EQ(c.method.name, "pretrain");
  EXPECT_EQ(c.data.packing, "concat");
  EXPECT_FALSE(c.eval.before);
  EXPECT_EQ(origin(loaded, "model.hidden_size").origin, "preset llama-1b");
  EXPECT_EQ(origin(loaded, "parallel.zero").origin, "a.yaml:16");
  EXPECT_EQ(origin(loaded, "train.seed").origin, "default");
  EXPECT_TRUE(origin(loaded, "train.micro_batch_size").keeps_weights);
  EXPECT_FALSE(origin(loaded, "train.learning_rate").keeps_weights);
}

TEST(Config, WhatFollowsFromTheShapeIsShownWithItsOrigin) {
  const std::string family =
      "model: {family: llama, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4}\n"
      "tokenizer: {type: bytes}\ndata: {sources: [{path: a, format: text}], sequence_length: 128}\n"
      "train: {steps: 1, global_batch_size: 1, learning_rate: 1e-3}\n";
  const auto line = [](const Loaded& loaded, const std::string& key) {
    const auto text = show(loaded);
    const size_t at = text.find(key + " ");
    std::string words;
    for (const char c : text.substr(at, text.find('\n', at) - at))
      if (c != ' ' || (!words.empty() && words.back() != ' ')) words += c;
    return words;
  };
  const auto loaded = load(family);
  EXPECT_EQ(line(loaded, "model.head_dim"),
            "model.head_dim 16 derived from model.hidden_size / model.num_attention_heads");
  EXPECT_EQ(line(loaded, "model.num_key_value_heads"),
            "model.num_key_value_heads 4 derived from model.num_attention_heads");
  EXPECT_EQ(line(loaded, "model.max_position_embeddings"),
            "model.max_position_embeddings 128 derived from data.sequence_length");
  EXPECT_EQ(line(loaded, "model.rope_theta"), "model.rope_theta 10000 default");
  EXPECT_EQ(line(loaded, "model.rms_norm_eps"), "model.rms_norm_eps 1e-05 default");
  EXPECT_EQ(line(loaded, "model.tie_word_embeddings"), "model.tie_word_embeddings false default");
  EXPECT_EQ(line(loaded, "model.initializer_range"), "model.initializer_range 0.02 default");
  EXPECT_EQ(line(loaded, "model.hidden_dropout"), "model.hidden_dropout 0 default");
  EXPECT_EQ(line(loaded, "model.vocab_size"), "model.vocab_size – the tokenizer's");
  const auto preset = load(pretrain_sample);
  EXPECT_EQ(line(preset, "model.rope_theta"), "model.rope_theta 500000 preset llama-1b");
  EXPECT_EQ(line(preset, "model.head_dim"), "model.head_dim 64 preset llama-1b");
  EXPECT_EQ(line(preset, "model.initializer_range"), "model.initializer_range 0.02 default");
  const auto tuned = load(tune_sample, Purpose::tune);
  EXPECT_EQ(line(tuned, "model.rope_theta"), "model.rope_theta – the base's");
  EXPECT_EQ(line(tuned, "tokenizer.path"), "tokenizer.path – the base's");
  EXPECT_EQ(line(tuned, "model.preset"), "model.preset – default");
}

TEST(Config, TuningSample) {
  const auto c = load(tune_sample, Purpose::tune).config;
  EXPECT_EQ(c.model.base, "/project/models/Llama-3-8B-Instruct");
  EXPECT_EQ(c.data.sources[1].fields.at("prompt"), "question");
  ASSERT_TRUE(c.data.replay);
  EXPECT_DOUBLE_EQ(c.data.replay->share, 0.1);
  EXPECT_EQ(c.data.replay->sources[0].license, "Apache-2.0");
  EXPECT_EQ(c.method.adapter, "lora");
  EXPECT_EQ(c.method.lora.alpha, 32);
  EXPECT_EQ(c.method.name, "sft");
  EXPECT_EQ(c.data.packing, "best_fit");
  EXPECT_EQ(c.train.epochs, 3);
  EXPECT_EQ(c.train.optimizer.weight_decay, 0);
  EXPECT_TRUE(c.eval.before);
  ASSERT_EQ(c.eval.sets.size(), 2u);
  EXPECT_TRUE(c.eval.sets[0].during);
  EXPECT_EQ(c.eval.pass[0].min_gain, (Relative{10, false}));
  EXPECT_EQ(c.eval.pass[1].max_loss, (Relative{1, true}));
  EXPECT_EQ(c.output.export_.when, "passed");
  EXPECT_EQ(c.output.checkpoint.every, (Interval{Interval::Unit::seconds, 600}));
}

TEST(Config, DemoSample) {
  const auto c = load(demo_sample).config;
  EXPECT_EQ(c.model.family, "llama");
  EXPECT_EQ(c.model.max_position_embeddings, 256);
  EXPECT_EQ(c.train.steps, 300);
  EXPECT_EQ(c.train.precision, "fp32");
  EXPECT_EQ(c.data.sources[0].path, "/project/configs/demo/text/*.txt");
}

TEST(Config, CommandLineBeatsFileBeatsPresetBeatsDefault) {
  const auto loaded = load(pretrain_sample, Purpose::train,
                           {"parallel.zero=3", "model.num_hidden_layers=2", "steps=7", "train.seed=1",
                            "train.micro_batch_size=default", "data.sources[1].path=x/y", "output.export.formats=[]"});
  EXPECT_EQ(loaded.config.parallel.zero, 3);
  EXPECT_EQ(origin(loaded, "parallel.zero").replaced, "2 (a.yaml:16)");
  EXPECT_EQ(origin(loaded, "parallel.zero").origin, "command line");
  EXPECT_EQ(loaded.config.model.num_hidden_layers, 2);
  EXPECT_EQ(origin(loaded, "model.num_hidden_layers").replaced, "16 (preset llama-1b)");
  EXPECT_EQ(loaded.config.train.steps, 7);
  EXPECT_FALSE(loaded.config.train.tokens);
  EXPECT_EQ(origin(loaded, "train.steps").replaced, "train.tokens 20B (a.yaml:11)");
  EXPECT_EQ(loaded.config.data.seed, 1);
  EXPECT_FALSE(loaded.config.train.micro_batch_size);
  EXPECT_EQ(origin(loaded, "train.micro_batch_size").replaced, "8 (a.yaml:13)");
  EXPECT_EQ(loaded.config.data.sources[1].path, (fs::current_path() / "x/y").string());
  EXPECT_TRUE(loaded.config.output.export_.formats.empty());
}

TEST(Config, OverridesTakeListsAndGroups) {
  const auto c = load(tune_sample, Purpose::tune,
                      {"method.lora.targets=[q_proj, v_proj]", "train.schedule={name: linear, warmup: 5 steps}",
                       "output.name=a: b #c", "train.epochs=0.5", "train.clip_grad_norm=none"})
                     .config;
  EXPECT_THAT(c.method.lora.targets, ElementsAre("q_proj", "v_proj"));
  EXPECT_EQ(c.train.schedule.name, "linear");
  EXPECT_EQ(c.output.name, "a: b #c");
  EXPECT_EQ(c.train.epochs, 0.5);
  EXPECT_FALSE(c.train.clip_grad_norm);
}

TEST(Config, OverridesAloneAreEnough) {
  const auto c = load_config("",
                             {"model.preset=smollm-135m", "tokenizer.type=bytes", "data.sources=[{path: x.txt}]",
                              "train.steps=3", "train.global_batch_size=2", "train.learning_rate=1e-3"},
                             Purpose::train)
                     .config;
  EXPECT_EQ(c.model.hidden_size, 576);
  EXPECT_EQ(c.data.sources[0].path, (fs::current_path() / "x.txt").string());
}

TEST(Config, AliasesAreCopiedAndQuotesReadAsText) {
  const auto c =
      load(std::string(demo_sample) + "method: {name: pretrain}\nparallel: {timeout: &t 5m}\n", Purpose::train).config;
  EXPECT_EQ(c.parallel.timeout, 300);
  std::string text = demo_sample;
  text.replace(text.find("every: 100 steps}}"), 18, "every: \"50 steps\"}}");
  EXPECT_EQ(load(text).config.output.checkpoint.every.value, 50);
}

TEST(Config, HomeIsTheUsersFolder) {
  const char* home = std::getenv("HOME");
  ASSERT_NE(home, nullptr);
  const auto c = load(demo_sample, Purpose::train, {"output.folder=~/runs/x"}).config;
  EXPECT_EQ(c.output.folder, (fs::path(home) / "runs/x").lexically_normal().string());
}

// A run counts its tokens in 64 bits.
TEST(Config, LengthsThatOverflowAreRefused) {
  const auto refusal = [](const std::string& length) {
    try {
      load(pretrain_sample, Purpose::train, {length});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(refusal("train.steps=9e18"),
              HasSubstr("expected at most 4398046511104 steps of 1048576 tokens, found 9000000000000000000"));
  EXPECT_THAT(refusal("train.steps=9e18"), HasSubstr("hint: more tokens than a run can count; write train.time_limit"));
  EXPECT_THAT(refusal("train.tokens=9e18"),
              HasSubstr("expected at most 4611686018427387904 tokens, found 9000000000000000000"));
  EXPECT_EQ(refusal("train.steps=4398046511104"), "no error");
}

TEST(Config, OtherPurposesNeedLess) {
  EXPECT_EQ(load("eval: {sets: [{name: a, path: b, metric: perplexity}]}", Purpose::eval).config.eval.sets.size(), 1u);
  EXPECT_EQ(
      load("tokenizer: {type: bpe}\ndata: {sources: [{path: a}]}", Purpose::tokenizer).config.tokenizer.vocab_size,
      32768);
  EXPECT_EQ(load("tokenizer: {type: bytes}\ndata: {sources: [{path: a}]}", Purpose::data).config.data.packing,
            "concat");
}

void expect_round_trip(const Loaded& loaded, Purpose purpose) {
  const std::string resolved = to_resolved_yaml(loaded);
  const auto again = load_config_text(resolved, "resolved.yaml", "/elsewhere", {}, purpose);
  ASSERT_EQ(loaded.origins.size(), again.origins.size());
  for (size_t i = 0; i < loaded.origins.size(); ++i)
    EXPECT_EQ(loaded.origins[i].value, again.origins[i].value) << loaded.origins[i].key << "\n" << resolved;
  EXPECT_TRUE(weight_differences(loaded, resolved).empty());
}

TEST(Resolved, RoundTrips) {
  expect_round_trip(load(pretrain_sample), Purpose::train);
  expect_round_trip(load(tune_sample, Purpose::tune), Purpose::tune);
  expect_round_trip(
      load(demo_sample, Purpose::train,
           {"output.name=a: 'b' \"c\" \\ #d", "tokenizer.special_tokens.eos=<|end|>", "output.folder=/x y/null"}),
      Purpose::train);
}

TEST(Resolved, DerivedValuesDoNotBreakIt) {
  auto loaded = load(tune_sample, Purpose::tune);
  set_resolved(loaded, "train.micro_batch_size", "4", "auto");
  set_resolved(loaded, "train.steps", "120", "auto");
  set_resolved(loaded, "model.hidden_size", "4096", "base");
  set_resolved(loaded, "train.precision", "bf16", "auto");
  const std::string text = to_resolved_yaml(loaded);
  EXPECT_THAT(text, HasSubstr("# model.hidden_size: 4096"));
  const auto again = load_config_text(text, "resolved.yaml", "/", {}, Purpose::tune);
  EXPECT_EQ(again.config.train.micro_batch_size, 4);
  EXPECT_EQ(again.config.train.precision, "bf16");
  EXPECT_TRUE(weight_differences(load(tune_sample, Purpose::tune), text).empty()) << "auto takes the run's choice";
  EXPECT_THROW(set_resolved(loaded, "train.nothing", "1", "auto"), Error);
}

TEST(Resolved, OnlyWhatChangesWeightsIsADifference) {
  const std::string then = to_resolved_yaml(load(demo_sample));
  const auto keys = [&](const std::vector<std::string>& overrides) {
    std::vector<std::string> names;
    for (const auto& d : weight_differences(load(demo_sample, Purpose::train, overrides), then)) names.push_back(d.key);
    return names;
  };
  EXPECT_TRUE(
      keys({"train.micro_batch_size=2", "parallel.threads=1", "output.log_every=1 step", "data.strict=true"}).empty());
  EXPECT_THAT(keys({"train.learning_rate=1e-4"}), ElementsAre("train.learning_rate"));
  EXPECT_THAT(keys({"train.steps=400"}), ElementsAre("train.steps"));
  EXPECT_THAT(keys({"model.num_hidden_layers=5", "data.validation_share=default"}),
              ElementsAre("model.num_hidden_layers", "data.validation_share"));
  const auto difference = weight_differences(load(demo_sample, Purpose::train, {"train.seed=7"}), then);
  ASSERT_EQ(difference.size(), 2u);  // data.seed follows
  EXPECT_EQ(difference[1].now + " " + difference[1].then, "7 42");
}

TEST(Resolved, ALongerRunIsADifferenceOnlyIfItBendsTheSchedule) {
  const std::vector<std::string> constant = {"train.schedule={name: constant, warmup: 5 steps}"};
  const std::string then = to_resolved_yaml(load(demo_sample, Purpose::train, constant));
  auto longer = constant;
  longer.push_back("train.steps=900");
  EXPECT_TRUE(weight_differences(load(demo_sample, Purpose::train, longer), then).empty());
}

class Paths : public testing::Test {
 protected:
  fs::path folder = fs::path(testing::TempDir()) / ("paths-" + std::to_string(::getpid()));
  fs::path before = fs::current_path();
  void SetUp() override {
    fs::create_directories(folder / "configs");
    fs::create_directories(folder / "here");
    core::write_text(folder / "configs/a.txt", "x");
    core::write_text(folder / "configs/c.yaml",
                     "data: {sources: [{path: a.*}, {path: here}]}\nmodel: {base: org/name}\n"
                     "train: {steps: 1, global_batch_size: 1, learning_rate: 1}\n");
    fs::current_path(folder);
  }
  void TearDown() override {
    fs::current_path(before);
    fs::remove_all(folder);
  }
};

TEST_F(Paths, MissingOnesAreShownAbsoluteWithAHint) {
  const auto loaded = load_config("configs/c.yaml", {}, Purpose::tune);
  const std::string root = fs::current_path().string();
  try {
    check_paths(loaded);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "configs/c.yaml:1:38: error: data.sources[1].path: " + root +
                  "/configs/here does not exist\n"
                  "    1 | data: {sources: [{path: a.*}, {path: here}]}\n"
                  "      |                                      ^^^^\n"
                  "      hint: it exists relative to the current folder, but a path in a file is relative to that "
                  "file; write " +
                  root +
                  "/here\n"
                  "configs/c.yaml:2:15: error: model.base: " +
                  root +
                  "/configs/org/name does not exist\n"
                  "    2 | model: {base: org/name}\n"
                  "      |               ^^^^^^^^\n"
                  "      hint: nothing is downloaded from a hub; if it is a hub id: hf download org/name --local-dir " +
                  root +
                  "/configs/org/name\n"
                  "2 errors, nothing was started");
  }
}

// As when a configuration was copied elsewhere, or a name mistyped.
TEST_F(Paths, TheNearestNameIsOffered) {
  const auto hint = [&](const std::string& path) -> std::string {
    core::write_text(folder / "configs/d.yaml", "data: {sources: [{path: " + path +
                                                    "}]}\nmodel: {base: ../here}\n"
                                                    "train: {steps: 1, global_batch_size: 1, learning_rate: 1}\n");
    try {
      check_paths(load_config("configs/d.yaml", {}, Purpose::tune));
      return "no error";
    } catch (const Error& error) {
      const std::string text = error.what();
      const size_t at = text.find("hint: ");
      return at == std::string::npos ? "no hint" : text.substr(at + 6, text.find('\n', at) - at - 6);
    }
  };
  const std::string root = fs::current_path().string();
  EXPECT_EQ(hint("a.text"), "did you mean " + root + "/configs/a.txt?");
  EXPECT_EQ(hint("../confgs/a.txt"), "did you mean " + root + "/configs/a.txt?");
  EXPECT_EQ(hint("../confgs/b.txt"), "a relative path counts from the folder of the file it stands in");
  EXPECT_EQ(hint("/nowhere/b.txt"), "no hint");
}

TEST_F(Paths, ThoseOfTheCommandLineAreRelativeToTheCurrentFolder) {
  const auto loaded =
      load_config("configs/c.yaml", {"model.base=here", "data.sources=[{path: configs/c.yaml}]"}, Purpose::tune);
  check_paths(loaded);
  EXPECT_EQ(loaded.config.model.base, (fs::current_path() / "here").string());
  EXPECT_EQ(loaded.config.output.folder, (fs::current_path() / "configs/runs/c").string());
}

TEST(Pages, DocsPageIsTheSchemas) {
  const char* source = std::getenv("TEST_SOURCE_DIR");
  const fs::path page =
      fs::path(source ? source : fs::path(__FILE__).parent_path().parent_path().parent_path().c_str()) /
      "docs/config.md";
  if (std::getenv("WRITE_DOCS")) core::write_text(page, docs_page());
  ASSERT_TRUE(fs::exists(page)) << page;
  EXPECT_TRUE(core::read_text(page) == docs_page())
      << "docs/config.md is not what the schema says; run this test with WRITE_DOCS=1";
  EXPECT_THAT(docs_page(), HasSubstr("| `method.lora.rank` | int between 1 and 65536 | `16` |"));
}

TEST(Pages, JsonSchemaIsClosedAndComplete) {
  const auto schema = json_schema();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  const auto& train = schema["properties"]["train"];
  EXPECT_EQ(train["additionalProperties"], false);
  EXPECT_EQ(train["properties"]["schedule"]["properties"]["name"]["enum"][0], "cosine");
  EXPECT_EQ(schema["properties"]["data"]["properties"]["sources"]["items"]["required"][0], "path");
  EXPECT_THAT(help_keys("train"), HasSubstr("train.schedule.warmup"));
  EXPECT_THAT(help_keys("train"), testing::Not(HasSubstr("model.")));
}

TEST(Speed, OneCheckTakesMilliseconds) {
  const auto start = std::chrono::steady_clock::now();
  load(tune_sample, Purpose::tune);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 1.0);
}

}  // namespace
TEST(Config, AFolderWhosePathIsNoUtf8IsRefusedBeforeItStandsInARecord) {
  try {
    load_config_text("model: {preset: llama-1b}\n", "a.yaml", "/project/caf\xe9", {}, Purpose::check);
    FAIL() << "was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_THAT(error.what(), testing::HasSubstr("folder whose name is UTF-8"));
  }
}

}  // namespace plumb::config
