// Keys of tokenizer.extend: a base grows, nothing else does; every mistake named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/load.h"
#include "core/error.h"

namespace plumb::config {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string tail =
    "train: {steps: 3, global_batch_size: 2, learning_rate: 1e-3}\ndata: {sources: [{path: x.txt}]}\n";
const std::string sources = "sources: [{path: korean/*.txt, format: text}]";

std::string tuning(const std::string& extend, const std::string& more = "", const std::string& rest = "") {
  return "model: {base: base}\ntokenizer: {extend: {" + extend + "}" + more + "}\n" + rest + tail;
}

Loaded load(const std::string& yaml, Purpose purpose = Purpose::tune, const std::vector<std::string>& words = {}) {
  return load_config_text(yaml, "a.yaml", "/project", words, purpose);
}

std::string mistake(const std::string& yaml, Purpose purpose = Purpose::tune) {
  try {
    load(yaml, purpose);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(ExtendKeys, ReadWithUnitsNamesAndPaths) {
  EXPECT_FALSE(load("model: {base: base}\n" + tail).config.tokenizer.extend);
  const auto extend = load(tuning("tokens: 4K, " + sources)).config.tokenizer.extend;
  ASSERT_TRUE(extend);
  EXPECT_EQ(extend->tokens, 4000);
  EXPECT_EQ(extend->train, "all");
  ASSERT_EQ(extend->sources.size(), 1u);
  EXPECT_EQ(extend->sources[0].path, "/project/korean/*.txt");
  EXPECT_EQ(extend->sources[0].name, "korean");
  EXPECT_EQ(load(tuning("tokens: 8, train: new_rows, " + sources)).config.tokenizer.extend->train, "new_rows");
}

TEST(ExtendKeys, TheSavedConfigurationIsTheSame) {
  for (const std::string method : {"", "method: {adapter: lora}\n"}) {
    const auto first = load(tuning("tokens: 4K, " + sources, "", method));
    const std::string saved = to_resolved_yaml(first);
    const auto again = load(saved);
    EXPECT_EQ(to_resolved_yaml(again).find("tokenizer.extend.train: all") == std::string::npos, method.empty())
        << saved;
    EXPECT_EQ(again.config.tokenizer.extend->tokens, 4000);
    EXPECT_TRUE(weight_differences(first, saved).empty());
  }
  const auto differences = weight_differences(load(tuning("tokens: 5K, " + sources)),
                                              to_resolved_yaml(load(tuning("tokens: 4K, " + sources))));
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].key, "tokenizer.extend.tokens");
}

TEST(ExtendKeys, MistakesAreNamed) {
  EXPECT_THAT(mistake(tuning(sources)), HasSubstr("missing key tokenizer.extend.tokens"));
  EXPECT_THAT(mistake(tuning("tokens: 4K")), HasSubstr("missing key tokenizer.extend.sources"));
  EXPECT_THAT(mistake(tuning("tokens: 4K, sources: []")), HasSubstr("expected at least one source, found []"));
  EXPECT_THAT(mistake(tuning("tokens: 0, " + sources)),
              HasSubstr("expected a count (500M, 2B, 1e9) between 1 and 4194304, found \"0\""));
  EXPECT_THAT(mistake(tuning("tokens: 0.5, " + sources)), HasSubstr("expected a count"));
  EXPECT_THAT(mistake(tuning("tokens: 4, train: rows, " + sources)), HasSubstr("expected one of all, new_rows"));
  EXPECT_THAT(mistake(tuning("tokens: 4, sources: [{path: x, weight: 2}]")), HasSubstr("weight has no effect"));
  EXPECT_THAT(mistake(tuning("tokens: 4, sources: [{path: x, fields: {txt: a}}]")),
              HasSubstr("tokenizer.extend.sources[0].fields names txt"));
  for (const std::string type : {"bytes", "bpe"}) {
    EXPECT_THAT(mistake(tuning("tokens: 4, " + sources, ", type: " + type)),
                HasSubstr("tokenizer.extend cannot stand beside tokenizer.type " + type));
  }
}

TEST(ExtendKeys, OnlyABaseGrows) {
  const std::string scratch =
      "model: {preset: smollm-135m}\ntokenizer: {path: t, extend: {tokens: 4, " + sources + "}}\n";
  for (const auto purpose : {Purpose::train, Purpose::check}) {
    EXPECT_THAT(mistake(scratch + tail, purpose), HasSubstr("tokenizer.extend needs model.base"));
  }
  // A tokenizer alone may grow.
  EXPECT_EQ(mistake("tokenizer: {path: t, extend: {tokens: 4, " + sources + "}}\n", Purpose::tokenizer), "no error");
  EXPECT_THAT(mistake("tokenizer: {extend: {tokens: 4, " + sources + "}}\n", Purpose::tokenizer),
              HasSubstr("tokenizer.extend needs model.base or tokenizer.path"));
  EXPECT_THAT(mistake("tokenizer: {path: t}\n" + tail, Purpose::tokenizer), HasSubstr("expected tokenizer.type bpe"));
}

TEST(ExtendKeys, BesideAnAdapterBothAreTrained) {
  const std::string lora = "method: {adapter: lora}\n";
  EXPECT_EQ(mistake(tuning("tokens: 4, " + sources, "", lora)), "no error");
  EXPECT_THAT(mistake(tuning("tokens: 4, train: new_rows, " + sources, "", lora)),
              HasSubstr("tokenizer.extend.train has no effect with method.adapter lora"));
}

TEST(ExtendKeys, MeansOverTokensAreNotCompared) {
  const auto with = [](const std::string& metric, const std::string& more = "") {
    return tuning("tokens: 4, " + sources, "",
                  "eval: {" + more + "sets: [{name: a, path: x, format: text, metric: " + metric + "}]}\n");
  };
  EXPECT_THAT(mistake(with("perplexity")), HasSubstr("perplexity is a mean over tokens"));
  EXPECT_EQ(mistake(with("bits_per_byte")), "no error");
  EXPECT_EQ(mistake(with("perplexity", "before: false, ")), "no error");
}

}  // namespace
}  // namespace plumb::config
