// The global sequence of rows: the same for every rank count, every batch size and after every restart.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

class RowStreamTest : public DataTest {
 protected:
  RowStreamTest() {
    std::string main, replay;
    for (int i = 0; i < 90; ++i) main += fmt::format("{{\"text\":\"main {}{}\"}}\n", i, std::string(i % 40, 'm'));
    for (int i = 0; i < 7; ++i) replay += fmt::format("{{\"text\":\"replay {}{}\"}}\n", i, std::string(25, 'r'));
    main_ = build("main.jsonl", main), replay_ = build("replay.jsonl", replay);
  }
  DatasetPtr build(const std::string& name, const std::string& content) {
    return Dataset::open(Dataset::build(request({source(write(name, content))}, 32), tokenizer_,
                                        *chat_template("plain", "", tokenizer_), folder_ / "cache"));
  }
  static bool same(const Batch& a, const Batch& b) {
    return a.ids == b.ids && a.labels == b.labels && a.loss_weight == b.loss_weight && a.positions == b.positions &&
           a.doc_offsets == b.doc_offsets && a.row_ids == b.row_ids && a.sample_ids == b.sample_ids;
  }
  FakeTokenizer tokenizer_;
  DatasetPtr main_, replay_;
};

TEST_F(RowStreamTest, EveryEpochHasEveryRowOnceInAnotherOrder) {
  const RowStream stream(main_, nullptr, 32, {.seed = 5});
  const auto rows = static_cast<uint64_t>(main_->rows());
  EXPECT_EQ(stream.rows_per_epoch(), static_cast<double>(rows));
  std::vector<std::vector<std::vector<int32_t>>> epochs;
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::vector<int32_t>> seen;
    for (uint64_t i = 0; i < rows; ++i) seen.push_back(stream.batch(epoch * rows + i, 1).ids);
    epochs.push_back(seen);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) std::sort(epoch.begin(), epoch.end());
  EXPECT_EQ(epochs[0], epochs[1]);
  EXPECT_EQ(epochs[1], epochs[2]);
  const RowStream other(main_, nullptr, 32, {.seed = 6});
  EXPECT_FALSE(same(stream.batch(0, 20), other.batch(0, 20)));
  const RowStream fixed(main_, nullptr, 32, {.seed = 5, .shuffle = false});
  EXPECT_TRUE(same(fixed.batch(0, 1), fixed.batch(0, 1)));
  EXPECT_EQ(fixed.batch(0, 4).ids, fixed.batch(rows, 4).ids);
}

TEST_F(RowStreamTest, AnySplitAmongRanksReadsTheSameSequence) {
  const RowStream stream(main_, replay_, 32, {.seed = 5, .replay_share = 0.2});
  const auto whole = stream.batch(100, 24);
  for (const int64_t ranks : {1, 2, 3, 4, 8}) {
    const RowStream restarted(main_, replay_, 32, {.seed = 5, .replay_share = 0.2});  // a resumed run
    std::vector<int32_t> ids, labels;
    std::vector<uint64_t> row_ids;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const auto part = restarted.batch(100 + static_cast<uint64_t>(rank * 24 / ranks), 24 / ranks);
      ids.insert(ids.end(), part.ids.begin(), part.ids.end());
      labels.insert(labels.end(), part.labels.begin(), part.labels.end());
      row_ids.insert(row_ids.end(), part.row_ids.begin(), part.row_ids.end());
    }
    EXPECT_EQ(ids, whole.ids);
    EXPECT_EQ(labels, whole.labels);
    EXPECT_EQ(row_ids, whole.row_ids);
    EXPECT_EQ(restarted.state(100), stream.state(100));
  }
  EXPECT_LT(stream.state(100).dump().size(), 1024u);
}

TEST_F(RowStreamTest, ReplayHasItsExactShareAndMainRowsHaveNoGaps) {
  const RowStream stream(main_, replay_, 32, {.seed = 5, .replay_share = 0.25});
  const RowStream alone(main_, nullptr, 32, {.seed = 5});
  const auto rows = static_cast<uint64_t>(main_->rows());
  EXPECT_NEAR(stream.rows_per_epoch(), static_cast<double>(rows) / 0.75, 1e-9);
  const auto positions = static_cast<uint64_t>(std::ceil(stream.rows_per_epoch() * 2));
  uint64_t main_row = 0, replayed = 0;
  std::map<std::vector<int32_t>, int> replay_rows;
  for (uint64_t i = 0; i < positions; ++i) {
    const auto row = stream.batch(i, 1);
    if (i % 4 == 3) {
      ++replayed, ++replay_rows[row.ids];
    } else {
      EXPECT_EQ(row.ids, alone.batch(main_row++, 1).ids);
    }
  }
  EXPECT_GE(main_row, 2 * rows);
  EXPECT_EQ(replayed, positions / 4);
  EXPECT_EQ(replay_rows.size(), static_cast<size_t>(replay_->rows()));
}

TEST_F(RowStreamTest, ThreadsReadAtTheSameTime) {
  const RowStream stream(main_, replay_, 32, {.seed = 5, .replay_share = 0.1});
  std::vector<Batch> expected;
  for (uint64_t i = 0; i < 200; ++i) expected.push_back(stream.batch(i, 2));
  const RowStream fresh(Dataset::open(main_->folder()), Dataset::open(replay_->folder()), 32,
                        {.seed = 5, .replay_share = 0.1});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 200; ++i) {
        const uint64_t at = (i * 7 + t * 50) % 200;
        wrong[t] += !same(fresh.batch(at, 2), expected[at]);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(RowStreamTest, MismatchesAreErrors) {
  EXPECT_THAT(error_of([&] { RowStream(main_, nullptr, 64, {}); }), testing::HasSubstr("packed for sequences of 32"));
  EXPECT_THAT(error_of([&] { RowStream(main_, nullptr, 32, {.replay_share = 0.1}); }), testing::HasSubstr("replay"));
  EXPECT_THAT(error_of([&] { RowStream(main_, replay_, 32, {.replay_share = 1.0}); }), testing::HasSubstr("share"));
  EXPECT_THAT(error_of([&] { Dataset::open(folder_); }), testing::HasSubstr("no manifest.json"));
  EXPECT_THAT(error_of([&] { main_->row(main_->rows()); }), testing::HasSubstr("expected a row"));
  EXPECT_THAT(error_of([&] { main_->sample(-1); }), testing::HasSubstr("document number"));
}

}  // namespace
}  // namespace plumb::data
