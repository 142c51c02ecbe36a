#include "trainer/evaluate/likelihood.h"

#include <gtest/gtest.h>

#include <thread>

#include "parallel/one_communicator.h"
#include "parallel/threads_communicator.h"
#include "tests/evaluate/fake_engine.h"

namespace plumb::evaluate {
namespace {

std::vector<Sequence> some_sequences() {
  std::vector<Sequence> sequences;
  for (int s = 0; s < 23; ++s) {
    Sequence sequence;
    const int size = s == 7 ? 60 : 1 + (s * 5) % 17;  // one needs windows, some have a single token
    for (int i = 0; i < size; ++i) {
      sequence.ids.push_back((s * 31 + i * 7) % 257);
      sequence.weight.push_back(i == 0 ? 0.0f : static_cast<float>((s + i) % 3) / 2);
    }
    sequences.push_back(sequence);
  }
  return sequences;
}

double expected(const Sequence& sequence, size_t length) {
  double sum = 0;
  std::vector<int32_t> context;
  for (size_t i = 0; i + 1 < sequence.ids.size(); ++i) {
    if (i % length == 0) context.clear();
    context.push_back(sequence.ids[i]);
    sum += sequence.weight[i + 1] * FakeEngine::logprob(context, sequence.ids[i + 1]);
  }
  return sum;
}

TEST(Likelihood, EverySequenceIsScoredInItsOwnContext) {
  FakeEngine engine;
  const auto one = parallel::make_one(at::kCPU, "here");
  const auto sequences = some_sequences();
  const auto sums = log_likelihoods(engine, *one, sequences);
  ASSERT_EQ(sums.size(), sequences.size());
  for (size_t s = 0; s < sums.size(); ++s) EXPECT_DOUBLE_EQ(sums[s], expected(sequences[s], 16)) << s;
  EXPECT_TRUE(log_likelihoods(engine, *one, {}).empty());
}

TEST(Likelihood, PackingWastesLittle) {
  const auto sequences = some_sequences();
  int64_t inputs = 0;
  for (const auto& sequence : sequences) inputs += static_cast<int64_t>(sequence.ids.size()) - 1;
  const auto batches = plan_batches(sequences, 2, 16);
  EXPECT_LE(static_cast<int64_t>(batches.size()) * 32, inputs * 3 / 2 + 32);
}

TEST(Likelihood, AnyNumberOfRanksGivesTheSameNumbers) {
  const auto sequences = some_sequences();
  FakeEngine alone;
  const auto one = parallel::make_one(at::kCPU, "here");
  const auto reference = log_likelihoods(alone, *one, sequences);
  for (const int ranks : {2, 3, 5}) {
    auto group = parallel::make_thread_communicators(ranks);
    std::vector<std::vector<double>> results(static_cast<size_t>(ranks));
    std::vector<int> forwards(static_cast<size_t>(ranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        FakeEngine engine;
        results[static_cast<size_t>(rank)] = log_likelihoods(engine, *group[static_cast<size_t>(rank)], sequences);
        forwards[static_cast<size_t>(rank)] = engine.forwards;
      });
    }
    for (auto& thread : threads) thread.join();
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_EQ(results[static_cast<size_t>(rank)], reference) << ranks;
      EXPECT_EQ(forwards[static_cast<size_t>(rank)], forwards[0]);  // forward is collective with sharded weights
    }
  }
}

}  // namespace
}  // namespace plumb::evaluate
