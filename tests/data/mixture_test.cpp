// Less than one row from the request at every prefix, for 2 to 100 parts, at any position on its own.
#include "data/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "data_files.h"

namespace plumb::data {
namespace {

__extension__ typedef unsigned __int128 Wide;

// floor(t share) <= count <= ceil(t share), exactly.
void expect_quota(const Shares& shares, uint64_t t, uint64_t count, size_t part) {
  const Wide exact = Wide{t} * shares.numerators[part];
  const auto low = static_cast<uint64_t>(exact / shares.denominator);
  const uint64_t high = low + (exact % shares.denominator != 0);
  ASSERT_GE(count, low) << "part " << part << " of " << shares.numerators.size() << " at " << t;
  ASSERT_LE(count, high) << "part " << part << " of " << shares.numerators.size() << " at " << t;
}

// Walks [first, first + length): every prefix within quota, counts, indices and positions consistent.
void walk(const Mixture& mixture, uint64_t first, uint64_t length) {
  const auto& shares = mixture.shares();
  auto counts = mixture.counts(first);
  for (uint64_t t = first; t < first + length; ++t) {
    const auto place = mixture.at(t);
    ASSERT_LT(place.part, counts.size());
    ASSERT_EQ(place.index, counts[place.part]) << t;
    ASSERT_EQ(mixture.position(place.part, place.index), t);
    ++counts[place.part];
    for (size_t part = 0; part < counts.size(); ++part) expect_quota(shares, t + 1, counts[part], part);
    if (::testing::Test::HasFatalFailure()) return;
  }
  ASSERT_EQ(mixture.counts(first + length), counts);
}

std::vector<double> random_weights(std::mt19937_64& random, size_t parts, int kind) {
  std::vector<double> weights(parts);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (auto& weight : weights) {
    if (kind == 0) weight = 0.001 + uniform(random);               // alike
    if (kind == 1) weight = std::pow(10.0, -3 * uniform(random));  // three powers of ten
    if (kind == 2) weight = 1 + std::floor(uniform(random) * 7);   // many ties, short periods
    if (kind == 3) weight = uniform(random) < 0.2 ? 1 : 0.003;     // a few large, many rare
    if (kind == 4) weight = std::round(uniform(random) * 1e9) * 1e-9 + 1e-3;
  }
  if (kind == 5) std::fill(weights.begin(), weights.end(), 1.0), weights[0] = static_cast<double>(3 * parts);
  return weights;
}

TEST(Mixture, IsWithinQuotaAtEveryPrefix) {
  std::mt19937_64 random(11);
  for (const size_t parts : {2, 3, 4, 5, 7, 10, 17, 33, 64, 100}) {
    for (int kind = 0; kind < 6; ++kind) {
      for (const double replay : {0.0, 0.1}) {
        const Mixture mixture(Shares::of(random_weights(random, parts, kind), replay, "weights"));
        walk(mixture, 0, parts < 20 ? 6000 : 2500);
        if (HasFatalFailure()) return;
        // Far into the sequence: nothing before it is looked at.
        walk(mixture, (random() % (uint64_t{1} << 44)), 1500);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Mixture, EveryNumberOfParts) {
  std::mt19937_64 random(14);
  for (size_t parts = 2; parts <= 100; ++parts) {
    const Mixture mixture(Shares::of(random_weights(random, parts, static_cast<int>(parts % 6)), 0, "weights"));
    walk(mixture, 0, 1500);
    if (HasFatalFailure()) return;
  }
}

// Smaller weight sets, many of them, whole knots: where a greedy rule without look-ahead goes astray.
TEST(Mixture, ManySmallMixes) {
  std::mt19937_64 random(12);
  for (int trial = 0; trial < 1500; ++trial) {
    const size_t parts = 3 + random() % 10;
    const Mixture mixture(Shares::of(random_weights(random, parts, static_cast<int>(random() % 6)), 0, "weights"));
    walk(mixture, (random() % 100000) * mixture.block() + mixture.block() - 300, 700);
    if (HasFatalFailure()) return;
  }
}

// The rule the quota replaces strays by more than a row: the test above can fail.
TEST(Mixture, TheLargestDeficitRuleWouldFail) {
  std::mt19937_64 random(13);
  double worst = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const auto weights = random_weights(random, 10, trial % 5);
    double sum = 0;
    for (const double weight : weights) sum += weight;
    std::vector<double> counts(weights.size());
    for (int t = 1; t < 2000; ++t) {
      size_t most = 0;
      double deficit = -1e9;
      for (size_t i = 0; i < weights.size(); ++i) {
        const double missing = weights[i] / sum * t - counts[i];
        if (missing > deficit) deficit = missing, most = i;
      }
      ++counts[most];
      for (size_t i = 0; i < weights.size(); ++i) worst = std::max(worst, std::abs(weights[i] / sum * t - counts[i]));
    }
  }
  EXPECT_GT(worst, 1.0);
}

TEST(Mixture, SharesAreExactFractions) {
  const auto tenths = Shares::of(std::vector<double>{0.1, 0.2, 0.7}, 0, "w");
  EXPECT_EQ(tenths.numerators, (std::vector<uint64_t>{1, 2, 7}));
  EXPECT_EQ(tenths.denominator, 10u);
  const auto thirds = Shares::of(std::vector<double>{1, 1, 1}, 0.25, "w");
  EXPECT_EQ(thirds.numerators, (std::vector<uint64_t>{1, 1, 1, 1}));
  const auto tokens = Shares::of(std::vector<double>{3e12, 1e12}, 0, "w");
  EXPECT_EQ(tokens.numerators, (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(Shares::of(std::vector<double>{5}, 0.1, "w").numerators, (std::vector<uint64_t>{9, 1}));
}

TEST(Mixture, PartsWithoutAWeightNeverCome) {
  const Mixture mixture(Shares::of(std::vector<double>{1, 0, 2, 3, 0}, 0, "w"));
  walk(mixture, 0, 2000);
  const Mixture two(Shares::of(std::vector<double>{0, 3, 0, 1}, 0, "w"));
  walk(two, 0, 2000);
  walk(Mixture(Shares::of(std::vector<double>{0, 3}, 0, "w")), 0, 2000);
  for (uint64_t t = 0; t < 2000; ++t) EXPECT_TRUE(mixture.at(t).part != 1 && mixture.at(t).part != 4);
}

// The rarest share that is allowed: one block is all there is to compute, wherever the position.
TEST(Mixture, OneInAMillion) {
  const Mixture mixture(Shares::of(std::vector<double>{0.5, 0.499998, 0.000001, 0.000001}, 0, "w"));
  EXPECT_EQ(mixture.block(), uint64_t{1} << 20);
  const auto counts = mixture.counts(10'000'000'000'000);
  EXPECT_EQ(counts, (std::vector<uint64_t>{5'000'000'000'000, 4'999'980'000'000, 10'000'000, 10'000'000}));
  const uint64_t rare = mixture.position(2, 123456);
  EXPECT_EQ(mixture.at(rare).part, 2u);
  EXPECT_EQ(mixture.at(rare).index, 123456u);
  EXPECT_NEAR(static_cast<double>(rare), 123456.5e6, 1e6);
}

TEST(Mixture, Mistakes) {
  using testing::HasSubstr;
  const auto of = [](std::vector<double> weights, double replay = 0) {
    return printed_error([&] { Shares::of(weights, replay, "data.sources"); });
  };
  EXPECT_THAT(of({1, -1}), HasSubstr("at least 0"));
  EXPECT_THAT(of({0, 0}), HasSubstr("above 0"));
  EXPECT_THAT(of({1, NAN}), HasSubstr("at least 0"));
  EXPECT_THAT(of({1, 1, 1e-7}), HasSubstr("one row in a million"));
  EXPECT_THAT(of({1}, 1.0), HasSubstr("below 100%"));
  EXPECT_THAT(of(std::vector<double>(128, 1.0), 0.1), HasSubstr("at most 128"));
  EXPECT_EQ(of({1, 1e-7}), "no error");  // two parts need no blocks
}

}  // namespace
}  // namespace plumb::data
