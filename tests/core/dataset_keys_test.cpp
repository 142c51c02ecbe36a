// What may stand beside data.dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/config/load.h"
#include "core/error.h"

namespace plumb::config {
namespace {

using testing::HasSubstr;

const std::string model = "model: {preset: smollm-135m}\ntokenizer: {type: bytes}\n";
const std::string train = "train: {steps: 10, global_batch_size: 8, learning_rate: 1e-3}\n";

// The listing of one mistake without place and excerpt: "message | hint".
std::string one(const std::string& yaml, Purpose purpose = Purpose::train) {
  try {
    load_config_text(yaml, "a.yaml", "/project", {}, purpose);
  } catch (const Error& error) {
    const std::string text = error.what();
    const size_t start = text.find("error: ") + 7, hint = text.find("\n      hint: ");
    const std::string message = text.substr(start, text.find('\n', start) - start);
    return hint == std::string::npos ? message : message + " | " + text.substr(hint + 13, text.rfind('\n') - hint - 13);
  }
  return "no error";
}

TEST(DatasetKeys, TheCacheOfObjectsHasALimit) {
  const auto with = [](const std::string& data, const std::string& more = "") {
    return one(model + "data: {object_cache: 2GiB, " + data + "}\n" + more + train);
  };
  const std::string set = "eval: {sets: [{name: e, path: \"s3://b/e.jsonl\", format: text, metric: bits_per_byte}]}\n";
  EXPECT_EQ(with("sources: [{path: a}, {path: \"s3://b/c\"}]"), "no error");
  EXPECT_EQ(with("dataset: \"s3://b/c\""), "no error");
  EXPECT_EQ(with("sources: [{path: a}], validation: [{path: \"s3://b/c\"}]"), "no error");
  EXPECT_EQ(with("sources: [{path: a}], replay: {share: 5%, sources: [{path: \"s3://b/c\"}]}"), "no error");
  EXPECT_EQ(with("sources: [{path: a}], replay: {share: 5%, dataset: \"s3://b/c\"}"), "no error");
  EXPECT_EQ(with("sources: [{path: a}], decontaminate: {action: drop, sets: [{path: \"s3://b/c\"}]}"), "no error");
  EXPECT_EQ(with("sources: [{path: a}]", set), "no error");
  EXPECT_EQ(with("sources: [{path: a}], cache: c"),
            "data.object_cache has an effect only where something is read from a store (s3://) | remove it");
  EXPECT_THAT(one(model + "data: {object_cache: 64, sources: [{path: \"s3://b/c\"}]}\n" + train),
              HasSubstr("give the unit, such as 64GiB"));
  EXPECT_THAT(one(model + "data: {object_cache: 10KiB, sources: [{path: \"s3://b/c\"}]}\n" + train),
              HasSubstr("expected bytes with a unit (16GiB, 80GB) of at least"));
  const auto loaded = load_config_text(model + "data: {sources: [{path: \"s3://b/c\"}]}\n" + train, "a.yaml",
                                       "/project", {"data.object_cache=1.5GiB"}, Purpose::train);
  EXPECT_EQ(loaded.config.data.object_cache, int64_t{3} << 29);
}

TEST(DatasetKeys, RulesBesideAFinishedDataset) {
  const auto beside = [](const std::string& rule, const std::string& more = "") {
    return one(model + "data: {dataset: d" + (rule.empty() ? "" : ", " + rule) + "}\n" + more + train);
  };
  EXPECT_EQ(beside("sequence_length: 64, seed: 3, shuffle: false"), "no error");
  EXPECT_EQ(
      beside("privacy: {action: replace}"),
      "data.privacy.action has no effect beside data.dataset: the dataset stays as it was built | give it to plumb "
      "data build with data.sources, or remove it");
  const std::pair<const char*, const char*> rules[] = {{"clean: {repair: true}", "data.clean.repair"},
                                                       {"dedup: {exact: true}", "data.dedup.exact"},
                                                       {"packing: none", "data.packing"},
                                                       {"too_long: error", "data.too_long"},
                                                       {"strict: true", "data.strict"},
                                                       {"threads: 2", "data.threads"}};
  for (const auto& [rule, key] : rules) {
    EXPECT_THAT(beside(rule), HasSubstr(std::string(key) + " has no effect beside data.dataset")) << rule;
    // With sources of its own to build, the rule is for them.
    EXPECT_EQ(beside(std::string(rule) + ", validation: [{path: v}]"), "no error") << rule;
    EXPECT_EQ(beside(std::string(rule) + ", replay: {share: 10%, sources: [{path: g}]}"), "no error") << rule;
    EXPECT_THAT(beside(std::string(rule) + ", replay: {share: 10%, dataset: g}"), HasSubstr("has no effect")) << rule;
  }
  EXPECT_THAT(beside("decontaminate: {action: drop, sets: [{name: s, path: s.jsonl, format: text}]}"),
              HasSubstr("has no effect beside data.dataset"));
  const std::string tune = "model: {base: b}\ndata: {dataset: d}\n" + train;
  EXPECT_THAT(one(tune + "method: {loss_on: all}\n", Purpose::tune), HasSubstr("what is trained on was decided"));
  EXPECT_THAT(one(tune + "tokenizer: {special_in_text: token}\n", Purpose::tune), HasSubstr("has no effect beside"));
  const std::string named = "tokenizer: {special_tokens: {pad: p}}\n", finished = "data: {dataset: d}\n" + train;
  EXPECT_THAT(one("model: {preset: smollm-135m}\n" + named + finished),
              HasSubstr("tokenizer.special_tokens.pad has no effect beside data.dataset"));
  EXPECT_EQ(one("model: {base: b}\n" + named + finished, Purpose::tune), "no error");
  const auto loaded =
      load_config_text(model + "data: {dataset: d, validation: [{path: v}], privacy: {action: replace}}\n" + train,
                       "a.yaml", "/", {}, Purpose::train);
  EXPECT_THAT(loaded.warnings, testing::ElementsAre("data.privacy holds for what is built here, not for data.dataset, "
                                                    "which stays as it is"));
}

// Groups and sections as well as keys.
TEST(DatasetKeys, AcceptedChanges) {
  const auto accepting = [](const std::string& keys) {
    return one(model +
               "data: {dataset: d}\ntrain: {steps: 1, global_batch_size: 1, learning_rate: 1, accept_changes: [" +
               keys + "]}\n");
  };
  EXPECT_EQ(accepting("data.dedup, tokenizer, train.seed"), "no error");
  EXPECT_EQ(accepting("data.dedupe"), "unknown key data.dedupe | did you mean data.dedup?");
}

// The next build would read the run's own files as documents.
TEST(DatasetKeys, WhatIsWrittenLiesOutsideTheSources) {
  const auto one = [](const std::string& data, const std::string& output, Purpose purpose = Purpose::train) {
    const std::string text =
        model + "data: {" + data + "}\n" + (output.empty() ? "" : "output: {folder: " + output + "}\n") + train;
    try {
      load_config_text(text, "a.yaml", "/project", {}, purpose);
    } catch (const Error& error) {
      const std::string said = error.what();
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      EXPECT_THAT(said, testing::EndsWith("hint: the next build would read what is written there: name another folder, "
                                          "or give the texts one of their own\n1 error, nothing was started"));
      const auto start = said.find("error: ") + 7;
      return said.substr(0, said.find(' ')) + " " + said.substr(start, said.find('\n', start) - start);
    }
    return std::string("no error");
  };
  const std::string texts = "sources: [{path: texts, format: text}]";
  const std::string inside = " outside data.sources[0].path, found it inside: /project/";
  EXPECT_EQ(one(texts, "texts/run"), "a.yaml:4:10: expected output.folder" + inside + "texts/run");
  EXPECT_EQ(one(texts, "texts"), "a.yaml:4:10: expected output.folder" + inside + "texts");
  EXPECT_EQ(one(texts, "texts/a/../../texts/b/run", Purpose::data),
            "a.yaml:4:10: expected output.folder" + inside + "texts/b/run");
  EXPECT_EQ(one(texts + ", cache: texts/cache", "run"), "a.yaml:3:48: expected data.cache" + inside + "texts/cache");
  EXPECT_EQ(one("sources: [{path: ., format: text}]", ""), "a.yaml:3:19: expected output.folder" + inside + "runs/a");
  EXPECT_EQ(one(texts + ", validation: [{path: other, format: text}]", "other/run"),
            "a.yaml:4:10: expected output.folder outside data.validation[0].path, found it inside: /project/other/run");
  for (const char* fine : {"run", "texts-run", "texts/.runs/a"}) EXPECT_EQ(one(texts, fine), "no error") << fine;
  EXPECT_EQ(one(texts, "texts/run", Purpose::check), "no error");  // a run that is there already can be looked at
  const auto pattern = [&](const std::string& path, const std::string& output) {
    return one("sources: [{path: '" + path + "', format: text}], cache: /cache", output) != "no error";
  };
  EXPECT_TRUE(pattern("texts/**/*.jsonl", "texts/run"));
  EXPECT_TRUE(pattern("texts/*/*.jsonl", "texts/run"));
  EXPECT_TRUE(pattern("texts/*.json*", "texts"));
  EXPECT_TRUE(pattern("texts/**", "texts/a/run"));
  EXPECT_FALSE(pattern("texts/**/*.txt", "texts/run"));  // no run writes such
  EXPECT_FALSE(pattern("texts/*.jsonl", "texts/run"));
  EXPECT_FALSE(pattern("texts/*/*.jsonl", "texts/a/b/run"));
  EXPECT_FALSE(pattern("texts/a*/*.jsonl", "texts/run"));
}

}  // namespace
}  // namespace plumb::config
