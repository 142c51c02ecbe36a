#include "trainer/generate/generate.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "trainer/generate/sample.h"

namespace plumb::generate {
namespace {

using testing::ElementsAre;

// A model whose next token is a hash of all tokens so far; it reads them back from the cache, so that a row that is
// mixed up with another gives another answer.
class HashModel : public model::HeldModel {
 public:
  HashModel() {
    spec_.vocab_size = 50;
    spec_.max_position_embeddings = 40;
  }
  const model::ModelSpec& spec() const override { return spec_; }
  model::KvCache make_cache(int64_t batch, int64_t capacity) const override {
    model::KvCache cache;
    cache.batch = batch;
    cache.capacity = capacity;
    cache.keys = {at::zeros({batch, capacity, 1})};
    cache.values = {at::zeros({batch, capacity, 1})};
    cache.lengths.assign(static_cast<size_t>(batch), 0);
    return cache;
  }
  at::Tensor extend(model::KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const override {
    EXPECT_EQ(static_cast<int64_t>(tokens.size()), cache.batch);
    EXPECT_EQ(cache.keys[0].size(0), cache.batch);
    ++calls;
    at::Tensor logits = at::zeros({cache.batch, spec_.vocab_size});
    for (int64_t b = 0; b < cache.batch; ++b) {
      auto& length = cache.lengths[static_cast<size_t>(b)];
      for (const int32_t id : tokens[static_cast<size_t>(b)]) {
        EXPECT_LT(length, cache.capacity);
        cache.keys[0][b][length] = id;
        cache.values[0][b][length] = id;
        ++length;
      }
      EXPECT_LE(length, spec_.max_position_embeddings);
      std::vector<int32_t> all;
      for (int32_t i = 0; i < length; ++i) all.push_back(static_cast<int32_t>(cache.keys[0][b][i].item<float>()));
      logits[b][next(all)] = 5;
    }
    return logits;
  }
  int32_t next(const std::vector<int32_t>& all) const {
    uint64_t h = 7;
    for (const int32_t id : all) h = h * 1000003 + static_cast<uint64_t>(id) + 1;
    return static_cast<int32_t>((h >> 7) % 50);
  }
  std::vector<int32_t> expected(std::vector<int32_t> all, int64_t room, const std::vector<int32_t>& ends,
                                bool* ended) const {
    std::vector<int32_t> out;
    *ended = false;
    while (static_cast<int64_t>(out.size()) < room) {
      const int32_t id = next(all);
      if (std::find(ends.begin(), ends.end(), id) != ends.end()) {
        *ended = true;
        break;
      }
      out.push_back(id);
      all.push_back(id);
    }
    return out;
  }
  mutable int calls = 0;

 private:
  model::ModelSpec spec_;
};

TEST(Generate, ManyPromptsGiveWhatEachGivesAlone) {
  const HashModel model;
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < 12; ++i) {
    prompts.emplace_back();
    for (int k = 0; k <= i * 3; ++k) prompts.back().push_back((i * 7 + k) % 50);
  }
  Options options;
  options.max_new_tokens = 20;
  options.end_ids = {3, 4, 5};
  std::vector<std::vector<int32_t>> streamed(prompts.size());
  const auto answers = generate(model, prompts, options, [&](size_t s, int32_t id) { streamed[s].push_back(id); });
  ASSERT_EQ(answers.size(), prompts.size());
  int ends = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    bool ended = false;
    const int64_t room = std::min<int64_t>(20, 40 - static_cast<int64_t>(prompts[i].size()));
    EXPECT_EQ(answers[i].ids, model.expected(prompts[i], room, options.end_ids, &ended)) << i;
    EXPECT_EQ(answers[i].ended, ended) << i;
    EXPECT_EQ(streamed[i], answers[i].ids);
    ends += ended;
  }
  EXPECT_GT(ends, 0);
  EXPECT_LT(ends, 12);
}

TEST(Generate, StopsAtTheLimits) {
  const HashModel model;
  Options options;
  options.max_new_tokens = 3;
  const auto answers = generate(model, {{1}, std::vector<int32_t>(38, 2)}, options);
  EXPECT_EQ(answers[0].ids.size(), 3u);
  EXPECT_EQ(answers[1].ids.size(), 2u);
  EXPECT_FALSE(answers[0].ended);
  options.max_new_tokens = 0;
  EXPECT_TRUE(generate(model, {{1}}, options)[0].ids.empty());
  EXPECT_TRUE(generate(model, {}, options).empty());
}

TEST(Generate, RefusesPromptsThatDoNotFit) {
  const HashModel model;
  EXPECT_THROW(generate(model, {{}}, {}), Error);
  EXPECT_THROW(generate(model, {std::vector<int32_t>(40, 1)}, {}), Error);
}

TEST(Choose, GreedyTakesTheFirstOfEquals) {
  const std::vector<float> logits{0, 3, 3, -1};
  EXPECT_EQ(choose(logits, 0, 1, 0, 0), 1);
}

TEST(Choose, FollowsTheDistribution) {
  const std::vector<float> logits{0, std::log(2.0f), std::log(5.0f), -1000};
  std::vector<int> counts(4);
  const int n = 40'000;
  for (int i = 0; i < n; ++i) ++counts[static_cast<size_t>(choose(logits, 1, 42, 0, static_cast<uint64_t>(i)))];
  EXPECT_NEAR(counts[0], n / 8.0, 5 * std::sqrt(n / 8.0));
  EXPECT_NEAR(counts[1], n / 4.0, 5 * std::sqrt(n / 4.0));
  EXPECT_NEAR(counts[2], n * 5 / 8.0, 5 * std::sqrt(n / 4.0));
  EXPECT_EQ(counts[3], 0);
  std::vector<int> hot(4);
  for (int i = 0; i < n; ++i) ++hot[static_cast<size_t>(choose(logits, 0.5, 42, 0, static_cast<uint64_t>(i)))];
  EXPECT_NEAR(hot[2], n * 25 / 30.0, 5 * std::sqrt(n / 5.0));  // weights 1 4 25
}

TEST(Choose, IsAFunctionOfSeedSequenceAndPosition) {
  std::vector<float> logits(1000);
  const auto draw = [&](uint64_t seed, uint64_t sequence, uint64_t position) {
    return choose(logits, 1, seed, sequence, position);
  };
  EXPECT_EQ(draw(1, 2, 3), draw(1, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(2, 2, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 3, 3));
  EXPECT_NE(draw(1, 2, 3), draw(1, 2, 4));
}

TEST(Choose, RefusesWhatIsNotFinite) {
  std::vector<float> logits{1, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW(choose(logits, 0, 1, 0, 0), Error);
  logits[1] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(choose(logits, 1, 1, 0, 0), Error);
}

}  // namespace
}  // namespace plumb::generate
