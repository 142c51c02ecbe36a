// Mistakes in data.privacy and data.decontaminate, with their exact messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/load.h"
#include "core/config/schema.h"
#include "core/config/values.h"
#include "core/error.h"

namespace plumb::config {
namespace {

using testing::HasSubstr;

const std::string rest =
    "model: {preset: smollm-135m}\ntokenizer: {type: bytes}\n"
    "train: {steps: 10, global_batch_size: 8, learning_rate: 1e-3}\noutput: {folder: runs/x}\n";

Config loaded(const std::string& keys, const std::string& more = "") {
  return load_config_text(rest + "data: {sources: [{path: corpus}], " + keys + "}\n" + more, "a.yaml", "/project", {},
                          Purpose::train)
      .config;
}

// "message | hint" of the only mistake.
std::string one(const std::string& keys, const std::string& more = "") {
  try {
    loaded(keys, more);
  } catch (const Error& error) {
    const std::string text = error.what();
    if (!text.ends_with("\n1 error, nothing was started")) return text;
    const size_t start = text.find("error: ") + 7;
    const std::string message = text.substr(start, text.find('\n', start) - start);
    const size_t hint = text.find("\n      hint: ");
    return hint == std::string::npos ? message : message + " | " + text.substr(hint + 13, text.rfind('\n') - hint - 13);
  }
  return "no error";
}

TEST(PrivacyKeys, AreRead) {
  const auto off = loaded("packing: concat").data.privacy;
  EXPECT_EQ(off.action, "none");
  EXPECT_TRUE(off.kinds.empty() && off.key.empty());
  const auto on = loaded(
                      "privacy: {action: replace, kinds: [email, phone], hash: [kr_rrn], drop: [secret, card], "
                      "key: ../keys/privacy}")
                      .data.privacy;
  EXPECT_EQ(on.action, "replace");
  EXPECT_EQ(on.kinds, (std::vector<std::string>{"email", "phone"}));
  EXPECT_EQ(on.hash, (std::vector<std::string>{"kr_rrn"}));
  EXPECT_EQ(on.drop, (std::vector<std::string>{"secret", "card"}));
  EXPECT_EQ(on.key, "/keys/privacy");
  EXPECT_EQ(split_words(privacy_kind_words).size(), 12u);
}

TEST(PrivacyKeys, ASavedConfigurationIsReadAgain) {
  const std::string eval =
      "eval: {sets: [{name: exam, path: e.jsonl, format: prompt_completion, metric: exact_match}]}\n";
  for (const std::string keys :
       {"packing: concat", "privacy: {action: hash, kinds: [email], drop: [secret], key: k}",
        "privacy: {drop: [secret]}",
        "decontaminate: {action: drop, min_overlap: 5%, sets: [{path: a, fields: {text: b}}]}"}) {
    const auto once = load_config_text(rest + "data: {sources: [{path: corpus}], " + keys + "}\n" + eval, "a.yaml",
                                       "/project", {}, Purpose::train);
    const std::string saved = to_resolved_yaml(once);
    const auto again = load_config_text(saved, "resolved.yaml", "/elsewhere", {}, Purpose::train).config.data;
    EXPECT_EQ(again.privacy.kinds, once.config.data.privacy.kinds);
    EXPECT_EQ(again.privacy.drop, once.config.data.privacy.drop);
    EXPECT_EQ(again.privacy.key, once.config.data.privacy.key);
    EXPECT_EQ(again.decontaminate.min_overlap, once.config.data.decontaminate.min_overlap);
    EXPECT_EQ(again.decontaminate.sets.size(), once.config.data.decontaminate.sets.size());
  }
}

TEST(PrivacyKeys, Mistakes) {
  EXPECT_EQ(one("privacy: {action: mask}"), "expected one of none, replace, hash, drop, found \"mask\"");
  EXPECT_EQ(one("privacy: {action: drop, kinds: [emial]}"),
            "expected a list of email, ipv4, ipv6, phone, kr_rrn, kr_frn, kr_brn, kr_driver_license, kr_passport, "
            "card, iban, "
            "secret, found \"emial\" | did you mean email?");
  EXPECT_EQ(one("privacy: {acton: drop}"), "unknown key data.privacy.acton | did you mean data.privacy.action?");
  EXPECT_EQ(
      one("privacy: {kinds: [email]}"),
      "data.privacy.kinds has no effect with data.privacy.action none | write data.privacy.action: replace, hash or "
      "drop, or remove it");
  EXPECT_EQ(one("privacy: {drop: [email], replace: [email]}"),
            "email has two actions | name a kind once in data.privacy.replace, hash, drop");
  EXPECT_EQ(
      one("privacy: {action: hash}"),
      "missing key data.privacy.key: a plain hash of a resident number can be undone by trying all | openssl rand -hex "
      "32 > FILE && chmod 600 FILE, and give its path");
  EXPECT_THAT(one("privacy: {hash: [email]}"), HasSubstr("missing key data.privacy.key"));
  EXPECT_EQ(one("privacy: {action: replace, key: k}"),
            "data.privacy.key has an effect only with action hash | remove it, or write data.privacy.action: hash");
}

TEST(PrivacyKeys, TheKeyStandsApartFromTheData) {
  const auto with_key = [](const std::string& key) {
    return one("cache: work/cache, privacy: {action: hash, key: " + key + "}");
  };
  const std::string hint = " | keep the key apart from the data: together they undo the hash";
  EXPECT_EQ(with_key("work/cache/k"), "expected a file outside data.cache, found one in it" + hint);
  EXPECT_EQ(with_key("runs/x/keys/k"), "expected a file outside output.folder, found one in it" + hint);
  EXPECT_EQ(with_key("corpus/k"), "expected a file outside data.sources[0].path, found one in it" + hint);
  EXPECT_EQ(with_key("work/../corpus/k"), "expected a file outside data.sources[0].path, found one in it" + hint);
  const auto beside = [](const std::string& rest) {
    return one("privacy: {action: hash, key: private/keys/k}, " + rest);
  };
  const std::string inside = ", found one in it" + hint;
  EXPECT_EQ(beside("validation: [{path: private/*/x.jsonl, format: text}]"),
            "expected a file outside data.validation[0].path" + inside);
  EXPECT_EQ(beside("validation: [{path: 'private/**', format: text}]"),
            "expected a file outside data.validation[0].path" + inside);
  EXPECT_EQ(beside("validation: [{path: 'private/keys/*.jsonl', format: text}]"),
            "expected a file outside data.validation[0].path" + inside);
  EXPECT_EQ(beside("validation: [{path: 'private/*.jsonl', format: text}]"), "no error");
  EXPECT_EQ(beside("validation: [{path: private, format: text}]"),
            "expected a file outside data.validation[0].path" + inside);
  EXPECT_EQ(beside("replay: {share: 10%, sources: [{path: private/keys, format: text}]}"),
            "expected a file outside data.replay.sources[0].path" + inside);
  EXPECT_EQ(beside("decontaminate: {action: report, sets: [{name: a, path: private/keys, format: text}]}"),
            "expected a file outside data.decontaminate.sets[0].path" + inside);
  EXPECT_EQ(with_key("corpus2/k"), "no error");
  EXPECT_EQ(with_key("work/k"), "no error");
}

TEST(DecontaminateKeys, AreRead) {
  const std::string eval =
      "eval: {sets: [{name: exam, path: e.jsonl, format: prompt_completion, metric: exact_match}]}\n";
  const auto on = loaded("decontaminate: {action: mask, ngram: 8, min_overlap: 25%}", eval).data.decontaminate;
  EXPECT_EQ(on.action, "mask");
  EXPECT_EQ(on.ngram, 8);
  EXPECT_EQ(on.min_overlap, 0.25);
  const auto sets =
      loaded("decontaminate: {action: drop, sets: [{path: a/*.jsonl, format: alpaca, fields: {output: y}, name: n}]}")
          .data.decontaminate.sets;
  ASSERT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets[0].path, "/project/a/*.jsonl");
  EXPECT_EQ(sets[0].format, "alpaca");
  EXPECT_EQ(sets[0].fields.at("output"), "y");
  EXPECT_EQ(sets[0].name, "n");
  EXPECT_EQ(loaded("packing: concat").data.decontaminate.ngram, 13);
}

TEST(DecontaminateKeys, Mistakes) {
  EXPECT_EQ(one("decontaminate: {action: remove}"), "expected one of none, report, mask, drop, found \"remove\"");
  EXPECT_EQ(
      one("decontaminate: {action: drop, ngram: 1}", "eval: {sets: [{name: a, path: b, metric: bits_per_byte}]}\n"),
      "expected an int between 2 and 256, found \"1\"");
  EXPECT_EQ(one("decontaminate: {action: drop, min_overlap: 101%}",
                "eval: {sets: [{name: a, path: b, metric: bits_per_byte}]}\n"),
            "expected a fraction (3% or 0.03) between 0 and 1, found \"101%\"");
  EXPECT_EQ(one("decontaminate: {ngram: 8}"),
            "data.decontaminate.ngram has no effect with data.decontaminate.action none | write "
            "data.decontaminate.action: report, mask or drop, or remove it");
  EXPECT_EQ(
      one("decontaminate: {action: report}"),
      "data.decontaminate needs evaluation sets: found neither eval.sets nor data.decontaminate.sets | give the texts "
      "that must not be trained on");
  EXPECT_THAT(one("decontaminate: {action: drop, sets: [{format: text}]}"),
              HasSubstr("missing key data.decontaminate.sets[0].path"));
}

}  // namespace
}  // namespace plumb::config
