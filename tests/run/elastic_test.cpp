// What the ranks of a run read, step by step, through the run's own mapping: on other ranks and with another batch size
// in the middle of an epoch it is the sequence that one rank reads.
#include <gtest/gtest.h>

#include "data/loader.h"
#include "tests/data/fake_dataset.h"
#include "trainer/run/length.h"

namespace plumb::run {
namespace {

std::unique_ptr<data::RowStream> make_stream() {
  const auto fake = [](const std::string& name, int64_t documents) {
    return std::make_shared<data::FakeDataset>(name, documents, 64, "best_fit");
  };
  data::RowStream::Options options{.seed = 21, .pad_id = 7};
  options.plan = {{0, {1, 0.5}, 0.1, 0}, {61, {1, 2}, 0.1, 0}};
  return std::make_unique<data::RowStream>(
      std::vector<data::Part>{{fake("web", 150), 1, "web"}, {fake("books", 40), 0.5, "books"}}, fake("general", 30), 64,
      options);
}

struct Leg {
  int ranks;
  int64_t rows_a_step, micro_batch_size, steps;
};

TEST(Elastic, TheRanksOfARunReadTheSequenceOfOne) {
  const std::vector<Leg> legs = {{8, 24, 2, 2}, {6, 20, 3, 3}, {3, 11, 4, 4}, {16, 33, 1, 2}, {1, 5, 2, 3}};
  std::vector<uint64_t> rows;
  std::vector<int32_t> ids;
  uint64_t done = 0;
  for (const auto& leg : legs) {
    // A start of the run: each rank opens its own stream and loader and knows no more than how many rows were read.
    std::vector<std::unique_ptr<data::RowStream>> streams;
    std::vector<std::unique_ptr<data::Loader>> loaders;
    for (int rank = 0; rank < leg.ranks; ++rank) {
      streams.push_back(make_stream());
      const auto slices = [=](int64_t step) {
        return rank_slice(done + static_cast<uint64_t>(step * leg.rows_a_step), leg.rows_a_step, rank, leg.ranks,
                          leg.micro_batch_size);
      };
      loaders.push_back(std::make_unique<data::Loader>(*streams.back(), slices, 0, leg.steps));
    }
    for (int64_t step = 0; step < leg.steps; ++step) {
      for (const auto& loader : loaders) {
        for (const auto& batch : loader->next()) {
          ASSERT_LE(batch.rows, leg.micro_batch_size);
          rows.insert(rows.end(), batch.row_ids.begin(), batch.row_ids.end());
          ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
        }
      }
    }
    done += static_cast<uint64_t>(leg.steps * leg.rows_a_step);
  }
  const auto whole = make_stream()->batch(0, static_cast<int64_t>(done));
  EXPECT_EQ(rows, whole.row_ids);
  EXPECT_EQ(ids, whole.ids);
}

}  // namespace
}  // namespace plumb::run
