// Keys of data.dedup: off by default, every one settable, every mistake named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/config/load.h"
#include "core/error.h"

namespace plumb::config {
namespace {

using testing::HasSubstr;

const std::string good =
    "model: {preset: smollm-135m}\ntokenizer: {type: bytes}\ntrain: {steps: 3, global_batch_size: 2, "
    "learning_rate: 1e-3}\ndata: {sources: [{path: x.txt}]";

DedupSection dedup(const std::string& keys) {
  return load_config_text(good + ", dedup: {" + keys + "}}\n", "a.yaml", "/project", {}, Purpose::train)
      .config.data.dedup;
}

std::string mistake(const std::string& keys) {
  try {
    dedup(keys);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  return "no error";
}

TEST(DedupKeys, OffByDefault) {
  const DedupSection d = load_config_text(good + "}\n", "a.yaml", "/project", {}, Purpose::train).config.data.dedup;
  EXPECT_FALSE(d.active());
  EXPECT_FALSE(d.exact || d.minhash || d.substring || d.memory);
  EXPECT_EQ(d.ngram, 5);
  EXPECT_EQ(d.buckets, 14);
  EXPECT_EQ(d.rows, 8);
  EXPECT_EQ(d.verify, 0);
}

TEST(DedupKeys, Settable) {
  const DedupSection d =
      dedup("exact: true, minhash: true, ngram: 13, buckets: 20, rows: 13, verify: 70%, substring: 100, memory: 2GiB");
  EXPECT_TRUE(d.exact && d.minhash && d.active());
  EXPECT_EQ(d.ngram, 13);
  EXPECT_EQ(d.buckets, 20);
  EXPECT_EQ(d.rows, 13);
  EXPECT_EQ(d.verify, 0.7);
  EXPECT_EQ(d.substring, 100);
  EXPECT_EQ(d.memory, int64_t{2} << 30);
  EXPECT_FALSE(dedup("substring: none, exact: true, memory: auto").substring);
  EXPECT_TRUE(dedup("substring: 50").active());
}

TEST(DedupKeys, MistakesAreNamed) {
  EXPECT_THAT(mistake("exact: 1"), HasSubstr("error: expected true or false, found \"1\""));
  EXPECT_THAT(mistake("minhash: true, ngram: 0"), HasSubstr("error: expected an int between 1 and 64"));
  EXPECT_THAT(mistake("minhash: true, buckets: 257"), HasSubstr("error: expected an int between 1 and 256"));
  EXPECT_THAT(mistake("minhash: true, rows: 65"), HasSubstr("error: expected an int between 1 and 64"));
  EXPECT_THAT(mistake("minhash: true, verify: 1.5"),
              HasSubstr("error: expected a fraction (3% or 0.03) between 0 and 1"));
  EXPECT_THAT(mistake("substring: 19"), HasSubstr("error: expected an int between 20 and 1048576, or none"));
  EXPECT_THAT(mistake("exact: true, memory: 15MiB"), HasSubstr("error: expected "));
  EXPECT_THAT(mistake("minhsh: true"), HasSubstr("did you mean data.dedup.minhash?"));
  EXPECT_THAT(mistake("n_grams: 5"), HasSubstr("datatrove's n_grams is data.dedup.ngram here"));
  EXPECT_THAT(mistake("exact: true, rows: 4"),
              HasSubstr("data.dedup.rows has an effect only with data.dedup.minhash true"));
  EXPECT_THAT(mistake("ngram: 4, buckets: 2"), HasSubstr("2 errors"));
  EXPECT_THAT(mistake("verify: 0.5"), HasSubstr("hint: remove it, or write data.dedup.minhash: true"));
  EXPECT_THAT(mistake("memory: 1GiB"), HasSubstr("data.dedup.memory has an effect only with a kind of deduplication"));
}

}  // namespace
}  // namespace plumb::config
