// Keys of data.clean: defaults as published, every threshold settable and removable, every mistake named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/config/load.h"
#include "core/config/pointless.h"
#include "core/config/reader.h"
#include "core/config/schema.h"
#include "core/error.h"

namespace plumb::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> whole = {"model.preset=smollm-135m",     "tokenizer.type=bytes",
                                        "data.sources=[{path: x.txt}]", "train.steps=3",
                                        "train.global_batch_size=2",    "train.learning_rate=1e-3"};

CleanSection clean(std::vector<std::string> overrides) {
  overrides.insert(overrides.begin(), whole.begin(), whole.end());
  return load_config("", overrides, Purpose::train).config.data.clean;
}

std::string mistake(const std::string& override) {
  try {
    clean({override});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(CleanKeys, OffByDefaultWithPublishedThresholds) {
  const CleanSection c = clean({});
  EXPECT_EQ(c.normalize, "none");
  EXPECT_FALSE(c.repair);
  EXPECT_THAT(c.languages, IsEmpty());
  EXPECT_THAT(c.rules, IsEmpty());
  EXPECT_EQ(c.language_score, 0.65);
  EXPECT_EQ(c.gopher_quality.min_words, 50);
  EXPECT_EQ(c.gopher_quality.max_words, 100000);
  EXPECT_FALSE(c.gopher_quality.min_mean_word_length);
  EXPECT_EQ(c.gopher_repetition.max_top_4_gram, 0.16);
  EXPECT_EQ(c.gopher_repetition.max_duplicate_10_grams, 0.1);
  EXPECT_TRUE(c.c4.terminal_punctuation);
  EXPECT_EQ(c.fineweb.max_duplicate_line_characters, 0.01);
}

TEST(CleanKeys, SettableAndRemovable) {
  const CleanSection c = clean(
      {"data.clean.rules=[fineweb, c4, gopher_quality, gopher_repetition, boilerplate]",
       "data.clean.gopher_quality.min_words=none", "data.clean.gopher_quality.min_mean_word_length=1.5",
       "data.clean.gopher_repetition.max_top_2_gram=35%", "data.clean.c4.min_sentences=none",
       "data.clean.c4.terminal_punctuation=false", "data.clean.languages=[en, ko]", "data.clean.language_score=80%",
       "data.clean.normalize=nfc", "data.clean.repair=true", "data.clean.gopher_quality.stop_words=[und, der]",
       "data.clean.boilerplate.phrases=[Seite]", "data.clean.fineweb.short_line_length=20"});
  EXPECT_THAT(c.rules, ElementsAre("fineweb", "c4", "gopher_quality", "gopher_repetition", "boilerplate"));
  EXPECT_FALSE(c.gopher_quality.min_words);
  EXPECT_EQ(c.gopher_quality.min_mean_word_length, 1.5);
  EXPECT_EQ(c.gopher_repetition.max_top_2_gram, 0.35);
  EXPECT_FALSE(c.c4.min_sentences);
  EXPECT_FALSE(c.c4.terminal_punctuation);
  EXPECT_THAT(c.languages, ElementsAre("en", "ko"));
  EXPECT_EQ(c.language_score, 0.8);
  EXPECT_EQ(c.normalize, "nfc");
  EXPECT_TRUE(c.repair);
  EXPECT_THAT(c.gopher_quality.stop_words, ElementsAre("und", "der"));
  EXPECT_THAT(c.boilerplate.phrases, ElementsAre("Seite"));
  EXPECT_EQ(c.fineweb.short_line_length, 20);
}

// Setting a key changes one field and no other: a key bound to a neighbour's field would show here.
TEST(CleanKeys, EveryKeyHasAFieldOfItsOwn) {
  int keys = 0;
  for (const auto& changed : clean_keys()) {
    Config before, after;
    const Target target = changed.bind(&after, true);
    if (auto* limit = std::get_if<std::optional<double>*>(&target))
      **limit = 0.4321;
    else if (auto* count = std::get_if<std::optional<int64_t>*>(&target))
      **count = 4321;
    else if (auto* number = std::get_if<int64_t*>(&target))
      **number = 4321;
    else if (auto* share = std::get_if<double*>(&target))
      **share = 0.4321;
    else if (auto* flag = std::get_if<bool*>(&target))
      **flag = !**flag;
    else if (auto* text = std::get_if<std::string*>(&target))
      **text = "other";
    else if (auto* list = std::get_if<std::vector<std::string>*>(&target))
      **list = {"other"};
    else
      FAIL() << changed.address;
    for (const auto& key : clean_keys()) {
      const bool differs = render_value(key, &before) != render_value(key, &after);
      EXPECT_EQ(differs, key.address == changed.address) << key.address << " when setting " << changed.address;
    }
    ++keys;
  }
  EXPECT_EQ(keys, 49);
}

// The error of a file with these keys of data.clean.
std::string mistake_in_file(const std::string& keys) {
  try {
    load_config_text("model: {preset: smollm-135m}\ntokenizer: {type: bytes}\ndata: {sources: [{path: x}], clean: {" +
                         keys + "}}\ntrain: {steps: 10, global_batch_size: 8, learning_rate: 1e-3}\n",
                     "a.yaml", "/project", {}, Purpose::train);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CleanKeys, WithoutEffect) {
  EXPECT_THAT(mistake_in_file("c4: {policy: false}"),
              HasSubstr("data.clean.c4.policy has an effect only with its rule in data.clean.rules\n"));
  EXPECT_THAT(mistake_in_file("language_score: 0.5"), HasSubstr("has an effect only with data.clean.languages"));
  EXPECT_THAT(mistake_in_file("rules: [c4], c4_paragraphs: {min_paragraphs: 2}"),
              HasSubstr("data.clean.c4_paragraphs.min_paragraphs has an effect only with its rule"));
  EXPECT_EQ(mistake_in_file("rules: [c4], c4: {min_sentences: 2}"), "no error");
  // Each group belongs to the rule of its name.
  for (const auto& rule : pointless_clean()) {
    Config config;
    EXPECT_TRUE(rule.holds(config)) << rule.address;
    const std::string name = std::string(rule.address).substr(std::string("data.clean.").size());
    if (name == "language_score")
      config.data.clean.languages = {"en"};
    else
      config.data.clean.rules = {name};
    EXPECT_FALSE(rule.holds(config)) << rule.address;
    EXPECT_TRUE(is_group(rule.address) || find_key(rule.address)) << rule.address;
  }
}

TEST(CleanKeys, Mistakes) {
  EXPECT_THAT(mistake("data.clean.rules=[gopher]"),
              HasSubstr("expected a list of boilerplate, gopher_repetition, gopher_quality, c4, c4_paragraphs, "
                        "fineweb, found \"gopher\""));
  EXPECT_THAT(mistake("data.clean.rules=[c4, c4]"), HasSubstr("expected each value once, found \"c4\" twice"));
  EXPECT_THAT(mistake("data.clean.rules=c4"), HasSubstr("write [c4]"));
  EXPECT_THAT(mistake("data.clean.normalize=nfd"), HasSubstr("expected one of none, nfc, nfkc, found \"nfd\""));
  EXPECT_THAT(mistake("data.clean.gopher_quality.min_words=-1"),
              HasSubstr("expected a count (500M, 2B, 1e9) of at least 0, or none, found \"-1\""));
  EXPECT_THAT(mistake("data.clean.gopher_quality.max_bullet_lines=1.5"),
              HasSubstr("expected a fraction (3% or 0.03) between 0 and 1, or none, found \"1.5\""));
  EXPECT_THAT(mistake("data.clean.gopher_quality.max_hash_ratio=x"),
              HasSubstr("expected a number of at least 0, or none, found \"x\""));
  EXPECT_THAT(mistake("data.clean.gopher_quality.min_mean_word_length=none"),
              HasSubstr("expected a number of at least 0, or auto, found \"none\""));
  EXPECT_THAT(mistake("data.clean.language_score=2"), HasSubstr("expected a fraction (3% or 0.03) between 0 and 1"));
  EXPECT_THAT(mistake("data.clean.c4.javascript=1"), HasSubstr("expected true or false, found \"1\""));
  EXPECT_THAT(mistake("data.clean.boilerplate.max_line_length=0"), HasSubstr("of at least 1, found \"0\""));
  EXPECT_THAT(mistake("data.clean.gopher_quality.min_word=3"),
              HasSubstr("did you mean data.clean.gopher_quality.min_words?"));
  EXPECT_THAT(mistake("data.clean.languages=en"), HasSubstr("write [en]"));
  EXPECT_THAT(mistake("data.clean=c4"), HasSubstr("expected a map of the keys of data.clean"));
}

}  // namespace
}  // namespace plumb::config
