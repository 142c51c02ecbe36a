// Resume at every step, on any number of ranks, with any batch size: the same rows in the same order.
#include <fmt/format.h>

#include <cmath>
#include <random>
#include <thread>

#include "data/loader.h"
#include "data_files.h"
#include "fake_dataset.h"

namespace plumb::data {
namespace {

struct Setting {
  std::string packing;
  bool mixed, replay;
};

std::unique_ptr<RowStream> make_stream(const Setting& setting) {
  const auto fake = [&](const std::string& name, int64_t documents) {
    return std::make_shared<FakeDataset>(name, documents, 64, setting.packing);
  };
  const DatasetPtr general = setting.replay ? fake("general", 30) : nullptr;
  RowStream::Options options{.seed = 21, .pad_id = 7};
  std::vector<Part> parts = {{fake("web", 150), 1, "web"}};
  if (setting.mixed) parts.push_back({fake("books", 40), 0.5, "books"}), parts.push_back({fake("law", 9), 0.25, "law"});
  const double share = setting.replay ? 0.15 : 0;
  if (setting.mixed) {
    options.plan = {{0, {1, 0.5, 0.25}, share, 0}, {61, {1, 2, 4}, share / 2, 3}};
  } else {
    options.replay_share = share;
  }
  return std::make_unique<RowStream>(parts, general, 64, options);
}

std::vector<Setting> settings() {
  std::vector<Setting> all;
  for (const std::string packing : {"concat", "best_fit", "none"}) {
    for (const bool mixed : {false, true}) {
      for (const bool replay : {false, true}) all.push_back({packing, mixed, replay});
    }
  }
  return all;
}

std::pair<int64_t, int64_t> share_of(int64_t rows, int64_t rank, int64_t ranks) {
  const int64_t base = rows / ranks, extra = rows % ranks;
  return {base * rank + std::min(rank, extra), base + (rank < extra ? 1 : 0)};
}

// Three epochs in steps of 7 rows (which divides no epoch). At every step the state of a fresh process is what the
// checkpoint says, and what it reads from there on is what the uninterrupted run reads.
TEST(Elastic, ResumeAtEveryStepOfThreeEpochs) {
  for (const auto& setting : settings()) {
    const auto whole = make_stream(setting);
    const int64_t rows_a_step = 7;
    const double epoch = whole->rows_per_epoch() > 0 ? whole->rows_per_epoch() : 60;
    const auto steps = static_cast<int64_t>(std::ceil(3 * epoch / static_cast<double>(rows_a_step)));
    const auto slices = [&](int64_t step) { return Slice{static_cast<uint64_t>(step * rows_a_step), {3, 3, 1}}; };
    std::vector<std::vector<Batch>> expected;
    for (int64_t step = 0; step < steps; ++step) {
      const auto first = static_cast<uint64_t>(step * rows_a_step);
      expected.push_back({whole->batch(first, 3), whole->batch(first + 3, 3), whole->batch(first + 6, 1)});
    }
    for (int64_t from = 0; from < steps; ++from) {
      const auto resumed = make_stream(setting);
      const auto row = static_cast<uint64_t>(from * rows_a_step);
      ASSERT_EQ(resumed->difference(nlohmann::ordered_json::parse(whole->state(row).dump()), row), "");
      Loader loader(*resumed, slices, from, steps);
      // All that follow for some, the next two for every one.
      const int64_t until = from % 11 == 0 ? steps : std::min(steps, from + 2);
      for (int64_t step = from; step < until; ++step) {
        const auto batches = loader.next();
        ASSERT_EQ(batches.size(), 3u);
        for (size_t i = 0; i < 3; ++i) {
          ASSERT_TRUE(same(batches[i], expected[static_cast<size_t>(step)][i])) << setting.packing << " step " << step;
        }
      }
    }
  }
}

// 8 -> 6 -> 3 -> 16 ranks, with another batch size each time, in the middle of epochs.
TEST(Elastic, OtherRanksAndBatchSizesMidEpoch) {
  struct Leg {
    int64_t ranks, rows_a_step, steps;
  };
  const std::vector<Leg> legs = {{8, 24, 2}, {6, 20, 3}, {3, 11, 4}, {16, 33, 2}, {1, 5, 3}};
  for (const auto& setting : settings()) {
    const auto one = make_stream(setting);
    std::vector<int32_t> ids, labels;
    std::vector<uint64_t> row_ids, samples;
    uint64_t row = 0;
    for (const auto& leg : legs) {
      for (int64_t step = 0; step < leg.steps; ++step, row += static_cast<uint64_t>(leg.rows_a_step)) {
        for (int64_t rank = 0; rank < leg.ranks; ++rank) {
          const auto own = make_stream(setting);  // each rank opens its own
          const auto [offset, count] = share_of(leg.rows_a_step, rank, leg.ranks);
          const auto batch = own->batch(row + static_cast<uint64_t>(offset), count);
          ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
          labels.insert(labels.end(), batch.labels.begin(), batch.labels.end());
          row_ids.insert(row_ids.end(), batch.row_ids.begin(), batch.row_ids.end());
          samples.insert(samples.end(), batch.sample_ids.begin(), batch.sample_ids.end());
        }
      }
    }
    const auto whole = one->batch(0, static_cast<int64_t>(row));
    ASSERT_EQ(ids, whole.ids);
    ASSERT_EQ(labels, whole.labels);
    ASSERT_EQ(row_ids, whole.row_ids);
    ASSERT_EQ(samples, whole.sample_ids);
  }
}

// Every main row once an epoch, also where replay moves the boundary.
TEST(Elastic, EpochsEndWhereTheyShould) {
  for (const std::string packing : {"concat", "best_fit", "none"}) {
    const auto stream = make_stream({packing, false, true});
    const int64_t rows = stream->dataset(0).rows();
    std::vector<int> seen(static_cast<size_t>(rows));
    int64_t read = 0;
    for (uint64_t t = 0; read < 3 * rows; ++t) {
      const auto located = stream->locate(t);
      if (located.part != 0) continue;
      ASSERT_EQ(located.epoch, static_cast<uint64_t>(read / rows));
      ASSERT_EQ(seen[static_cast<size_t>(located.row)]++, read / rows);
      ++read;
    }
  }
}

// 1e12 tokens: the first batch reads its rows and nothing else, wherever it begins.
TEST(Loader, TheFirstBatchOfATrillionTokensReadsOnlyItself) {
  std::vector<Part> parts;
  std::vector<std::shared_ptr<HugeDataset>> datasets;
  for (int i = 0; i < 5; ++i) {
    datasets.push_back(std::make_shared<HugeDataset>(fmt::format("{}", i), 200'000'000'000 + i, 4096));
    parts.push_back({datasets.back(), 1.0 + i, fmt::format("{}", i)});
  }
  const RowStream stream(parts, nullptr, 4096, {.seed = 1});
  for (const uint64_t first : {uint64_t{0}, uint64_t{123'456'789}, uint64_t{9'000'000'000'000}}) {
    int64_t rows = 0, reads = 0;
    for (const auto& dataset : datasets) rows -= dataset->row_reads(), reads -= dataset->reads();
    Loader loader(
        stream,
        [&](int64_t) {
          return Slice{first, {4, 4}};
        },
        0, 1);
    EXPECT_EQ(loader.next().size(), 2u);
    for (const auto& dataset : datasets) rows += dataset->row_reads(), reads += dataset->reads();
    EXPECT_EQ(rows, 8);
    EXPECT_EQ(reads, 8);
  }
}

TEST(Loader, ReadsAheadButNoFurther) {
  const auto dataset = std::make_shared<FakeDataset>("a", 500, 64, "concat");
  const RowStream stream(dataset, nullptr, 64, {});
  Loader loader(
      stream,
      [](int64_t step) {
        return Slice{static_cast<uint64_t>(step), {1}};
      },
      0, 1000, 3);
  const auto settled = [&] {
    int64_t rows = -1;
    for (int i = 0; i < 200 && rows != dataset->row_reads(); ++i) {
      rows = dataset->row_reads();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return rows;
  };
  EXPECT_EQ(settled(), 3);
  loader.next();
  EXPECT_EQ(settled(), 4);
}

TEST(Loader, AnErrorComesAtItsStepAndStays) {
  const auto dataset = std::make_shared<FakeDataset>("a", 500, 64, "concat");
  const RowStream stream(dataset, nullptr, 64, {.shuffle = false});
  dataset->broken_row = 5;
  Loader loader(
      stream,
      [](int64_t step) {
        return Slice{static_cast<uint64_t>(2 * step), {1, 1}};
      },
      0, 10);
  EXPECT_EQ(loader.next()[0].row_ids[0], 0u);
  EXPECT_EQ(loader.next()[0].row_ids[0], 2u);
  EXPECT_THAT(printed_error([&] { loader.next(); }), testing::HasSubstr("cannot be read"));
  EXPECT_THAT(printed_error([&] { loader.next(); }), testing::HasSubstr("cannot be read"));
}

TEST(Loader, StopsWhereverItIs) {
  const auto dataset = std::make_shared<FakeDataset>("a", 500, 64, "concat");
  const RowStream stream(dataset, nullptr, 64, {});
  std::mt19937 random(5);
  for (int i = 0; i < 50; ++i) {
    Loader loader(
        stream,
        [](int64_t step) {
          return Slice{static_cast<uint64_t>(step), {4}};
        },
        0, 1000, 1 + i % 3);
    for (uint32_t k = random() % 5; k > 0; --k) loader.next();
  }
  Loader none(
      stream, [](int64_t) { return Slice{}; }, 3, 3);
  EXPECT_THROW(none.next(), Error);
  Loader idle(
      stream,
      [](int64_t) {
        return Slice{0, {}};
      },
      0, 1);  // a rank without rows
  EXPECT_TRUE(idle.next().empty());
}

}  // namespace
}  // namespace plumb::data
