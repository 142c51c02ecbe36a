// The sequence of rows under weights, replay and curricula: where every row is, and what may change.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "data_files.h"
#include "fake_dataset.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;

std::shared_ptr<FakeDataset> fake(const std::string& name, int64_t documents, const std::string& packing = "concat") {
  return std::make_shared<FakeDataset>(name, documents, 64, packing);
}

struct Sources {
  std::vector<Part> parts = {
      {fake("web", 300), 0.5, "web"}, {fake("books", 90), 0.3, "books"}, {fake("law", 20), 0.2, "law"}};
  DatasetPtr general = fake("general", 50);
};

TEST(MixStream, EveryPartInItsOwnOrderAtItsShare) {
  const Sources sources;
  const RowStream stream(sources.parts, sources.general, 64, {.seed = 3, .replay_share = 0.1});
  const std::vector<double> shares = {0.45, 0.27, 0.18, 0.1};
  std::vector<uint64_t> counts(4);
  for (uint64_t t = 0; t < 4000; ++t) {
    const auto located = stream.locate(t);
    const auto rows = static_cast<uint64_t>(located.dataset->rows());
    EXPECT_EQ(located.dataset, &stream.dataset(located.part));
    EXPECT_EQ(located.epoch, counts[located.part] / rows);
    // As if the part were read alone: weights decide when, never what.
    const RowStream alone(located.part == 3 ? sources.general : sources.parts[located.part].dataset, nullptr, 64,
                          {.seed = 3});
    ASSERT_EQ(stream.batch(t, 1).ids, alone.batch(counts[located.part], 1).ids);
    ++counts[located.part];
    for (size_t part = 0; part < 4; ++part) {
      ASSERT_LT(std::abs(static_cast<double>(counts[part]) - shares[part] * static_cast<double>(t + 1)), 1.0) << t;
    }
  }
  EXPECT_EQ(stream.name(0), "web");
  EXPECT_EQ(stream.name(3), "replay");
  EXPECT_EQ(stream.rows_per_epoch(), 0);
}

// locate() and positions() against each other, over epochs, segments and skipped rows.
TEST(MixStream, PositionsAreTheInverse) {
  const Sources sources;
  for (const bool shuffle : {true, false}) {
    RowStream::Options options{.seed = 9, .shuffle = shuffle};
    options.plan = {
        {0, {1, 0, 2}, 0.1, 0}, {700, {1, 1, 1}, 0, 37}, {701, {0, 1, 0}, 0, 0}, {900, {2, 5, 1}, 0.25, 5000}};
    const RowStream stream(sources.parts, sources.general, 64, options);
    const uint64_t up_to = 3000;
    std::map<std::pair<size_t, int64_t>, std::vector<uint64_t>> seen;
    for (uint64_t t = 0; t < up_to; ++t) {
      const auto located = stream.locate(t);
      seen[{located.part, located.row}].push_back(t);
    }
    for (size_t part = 0; part < stream.parts(); ++part) {
      for (int64_t row = 0; row < stream.dataset(part).rows(); ++row) {
        ASSERT_EQ(stream.positions(part, row, up_to), (seen[{part, row}])) << part << " " << row;
      }
    }
    const auto some = stream.positions(0, 3, 705);
    for (const uint64_t t : some) EXPECT_LT(t, 705u);
    EXPECT_TRUE(stream.positions(0, 3, 0).empty());
  }
}

// What was read of each part, counted row by row; places of a part that a segment skips were not read.
TEST(MixStream, PlacesReadAreThoseOfThePositions) {
  const Sources sources;
  for (const bool shuffle : {true, false}) {
    RowStream::Options options{.seed = 9, .shuffle = shuffle};
    options.plan = {
        {0, {1, 0, 2}, 0.1, 0}, {700, {1, 1, 1}, 0, 37}, {701, {0, 1, 0}, 0, 0}, {900, {2, 5, 1}, 0.25, 50}};
    const RowStream stream(sources.parts, sources.general, 64, options);
    for (const uint64_t up_to : {0, 1, 700, 701, 760, 2000}) {
      std::vector<std::vector<int64_t>> expected(stream.parts());
      for (uint64_t t = 0; t < up_to; ++t) {
        const auto located = stream.locate(t);
        expected[located.part].push_back(located.row);
      }
      for (size_t part = 0; part < stream.parts(); ++part) {
        std::vector<int64_t> rows;
        uint64_t last = 0;
        for (const auto& [begin, end] : stream.places_read(part, up_to)) {
          EXPECT_TRUE(rows.empty() || begin > last) << "stretches that touch are one";
          for (uint64_t place = begin; place < end; ++place) rows.push_back(stream.row_at(part, place));
          last = end;
        }
        EXPECT_EQ(rows, expected[part]) << part << " up to " << up_to;
      }
    }
    EXPECT_GE(stream.places_read(0, 2000).size(), 2u) << "what is skipped leaves a gap";
  }
}

TEST(MixStream, AStageChangesNothingBeforeIt) {
  const Sources sources;
  RowStream::Options plain{.seed = 4};
  plain.plan = {{0, {5, 3, 2}, 0.1, 0}};
  auto staged = plain;
  staged.plan.push_back({500, {1, 1, 8}, 0.2, 0});
  auto other = plain;
  other.plan.push_back({500, {8, 1, 1}, 0, 11});
  const RowStream a(sources.parts, sources.general, 64, plain), b(sources.parts, sources.general, 64, staged),
      c(sources.parts, sources.general, 64, other);
  for (uint64_t t = 0; t < 500; ++t) {
    ASSERT_TRUE(same(a.batch(t, 1), b.batch(t, 1)));
    ASSERT_TRUE(same(a.batch(t, 1), c.batch(t, 1)));
  }
  EXPECT_FALSE(same(b.batch(500, 20), c.batch(500, 20)));
  std::vector<uint64_t> counts(4);
  for (uint64_t t = 500; t < 1500; ++t) {
    ++counts[b.locate(t).part];
    ASSERT_LT(std::abs(static_cast<double>(counts[2]) - 0.64 * static_cast<double>(t - 499)), 1.0);
  }
  // What is to come may change under a checkpoint; what was read may not.
  EXPECT_EQ(a.state(400), b.state(400));
  EXPECT_EQ(b.difference(a.state(400), 400), "");
  EXPECT_EQ(b.difference(c.state(500), 500), "");
  EXPECT_THAT(b.difference(c.state(501), 501), HasSubstr("plan[1]: {\"from_row\":500"));
  EXPECT_THAT(b.difference(a.state(501), 501), HasSubstr("plan[1]: null then"));
}

// A source that comes in later was not part of the past.
TEST(MixStream, ASourceMayBeAddedLater) {
  Sources sources;
  RowStream::Options before{.seed = 4}, after{.seed = 4};
  before.plan = {{0, {2, 1}, 0, 0}};
  after.plan = {{0, {2, 1, 0}, 0, 0}, {100, {2, 1, 1}, 0, 0}};
  const RowStream two({sources.parts[0], sources.parts[1]}, nullptr, 64, before);
  const RowStream three(sources.parts, nullptr, 64, after);
  EXPECT_EQ(three.difference(two.state(100), 100), "");
  for (uint64_t t = 0; t < 100; ++t) ASSERT_TRUE(same(two.batch(t, 1), three.batch(t, 1)));
  EXPECT_NE(three.difference(two.state(101), 101), "");
}

TEST(MixStream, DifferencesAreNamed) {
  Sources sources;
  const RowStream stream(sources.parts, nullptr, 64, {.seed = 4});
  const auto saved = stream.state(10);
  EXPECT_THAT(RowStream(sources.parts, nullptr, 64, {.seed = 5}).difference(saved, 10),
              HasSubstr("seed: 4 then, 5 now"));
  auto parts = sources.parts;
  parts[1].dataset = fake("Books", 90);
  EXPECT_THAT(RowStream(parts, nullptr, 64, {.seed = 4}).difference(saved, 10),
              HasSubstr("data[1]: [\"books\",\"digest of books\"] then, [\"books\",\"digest of Books\"] now"));
  parts = sources.parts, parts[1].weight = 1;
  EXPECT_THAT(RowStream(parts, nullptr, 64, {.seed = 4}).difference(saved, 10), HasSubstr("plan[0]"));
  EXPECT_THAT(stream.difference(nlohmann::ordered_json("x"), 10), HasSubstr("does not know"));
  EXPECT_EQ(stream.difference(nlohmann::ordered_json::parse(saved.dump()), 10), "") << "as a checkpoint gives it back";
}

// Of as many sources as there can be too, the one that changed is named.
TEST(MixStream, OneOfManyDatasetsIsNamed) {
  std::vector<Part> parts;
  for (int i = 0; i < 128; ++i) parts.push_back({fake("text " + std::to_string(i), 5), 1, fmt::format("source {}", i)});
  const auto saved = RowStream(parts, nullptr, 64, {.seed = 4}).state(10);
  EXPECT_LT(saved.dump().size(), 1024u);
  parts[77].dataset = fake("other", 5);
  const auto found = RowStream(parts, nullptr, 64, {.seed = 4}).differences(saved, 10);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].what, "data");
  EXPECT_EQ(found[0].text, "data[77]: another dataset of source 77 now");
  parts.pop_back();
  EXPECT_THAT(RowStream(parts, nullptr, 64, {.seed = 4}).difference(saved, 10), HasSubstr("number of parts: 128 then"));
}

TEST(MixStream, TheStateStaysSmall) {
  std::vector<Part> parts;
  std::vector<double> weights;
  for (int i = 0; i < 120; ++i) {
    parts.push_back({fake(std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i), 5), 1.0 + i,
                     fmt::format("a source with a long name, number {}", i)});
    weights.push_back(1 + i);
  }
  RowStream::Options options{.seed = 4};
  for (uint64_t s = 0; s < 50; ++s) {
    weights[s] += 1000;
    options.plan.push_back({s * 1000, weights, 0.05, 0});
  }
  const RowStream stream(parts, fake("general", 9), 64, options);
  EXPECT_LT(stream.state(1u << 30).dump().size(), 1024u);
  options.plan[7].weights[3] += 1;
  const RowStream other(parts, fake("general", 9), 64, options);
  EXPECT_EQ(other.difference(stream.state(6999), 6999), "");
  EXPECT_THAT(other.difference(stream.state(7001), 7001), HasSubstr("plan: "));
  EXPECT_THAT(other.difference(stream.state(1u << 30), 1u << 30), HasSubstr("plan: "));
}

TEST(MixStream, Mistakes) {
  Sources sources;
  const auto with = [&](std::vector<PlanSegment> plan) {
    return printed_error([&] {
      RowStream::Options options;
      options.plan = std::move(plan);
      RowStream(sources.parts, nullptr, 64, options);
    });
  };
  EXPECT_THAT(with({{0, {1, 1}, 0, 0}}), HasSubstr("expected a weight for each of 3 parts"));
  EXPECT_THAT(with({{5, {1, 1, 1}, 0, 0}}), HasSubstr("ascending"));
  EXPECT_THAT(with({{0, {1, 1, 1}, 0, 0}, {0, {1, 1, 1}, 0, 0}}), HasSubstr("ascending"));
  EXPECT_THAT(with({{0, {1, 1, 1}, 0.1, 0}}), HasSubstr("without sources"));
  EXPECT_THAT(with({{0, {0, 0, 0}, 0, 0}}), HasSubstr("above 0"));
  EXPECT_THAT(printed_error([&] { RowStream(std::vector<Part>{}, nullptr, 64, {}); }), HasSubstr("no sources"));
  const RowStream stream(sources.parts, nullptr, 64, {});
  EXPECT_THAT(printed_error([&] { stream.positions(0, 1 << 20, 5); }), HasSubstr("expected a row"));
}

}  // namespace
}  // namespace plumb::data
