#include <atomic>
#include <chrono>

#include "parallel/one_communicator.h"
#include "tests/parallel/collective_cases.h"
#include "tests/parallel/ranks.h"

namespace plumb::parallel {
namespace {

using std::chrono::milliseconds;

struct Setting {
  int ranks;
  int64_t staging;
};

class Threads : public testing::TestWithParam<Setting> {};

TEST_P(Threads, EveryCollectiveGivesTheKnownAnswer) {
  run_ranks(GetParam().ranks, [](CommunicatorPtr c) { cases::everything(*c); }, {GetParam().staging});
}

INSTANTIATE_TEST_SUITE_P(Ranks, Threads,
                         testing::Values(Setting{1, 0}, Setting{2, 0}, Setting{3, 0}, Setting{4, 0}, Setting{2, 4096},
                                         Setting{3, 3072}, Setting{4, 4096}),
                         [](const auto& info) {
                           return std::to_string(info.param.ranks) + (info.param.staging > 0 ? "staged" : "direct");
                         });

TEST(One, EveryCollectiveGivesTheKnownAnswer) {
  const auto c = make_one(at::kCPU, "host");
  cases::everything(*c);
  EXPECT_EQ(c->host(0), "host");
  EXPECT_EQ(c->name(), "one");
}

TEST(One, AbortThrowsWithItsCode) {
  try {
    make_one(at::kCPU, "host")->abort(4, "the reason");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::rank_failed);
    EXPECT_EQ(error.message(), "the reason");
  }
}

TEST(ThreadsAbort, ReachesRanksThatWaitAndEveryLaterCall) {
  std::atomic<int> thrown{0};
  run_ranks(4, [&](CommunicatorPtr c) {
    if (c->rank() == 0) {
      std::this_thread::sleep_for(milliseconds(30));
      c->abort(4, "rank 0 gave up");
    }
    at::Tensor tensor = at::ones({100});
    for (int call = 0; call < 3; ++call) {
      try {
        if (call == 0) c->all_reduce(tensor);
        if (call == 1) c->barrier();
        if (call == 2) c->exchange({}, {{(c->rank() + 1) % 4, tensor}})->wait();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::rank_failed);
        EXPECT_EQ(error.message(), "rank 0 gave up");
        ++thrown;
      }
    }
  });
  EXPECT_EQ(thrown, 12);
}

TEST(ThreadsAbort, ReachesRanksInASplitAndThoseThatWaitForAMessage) {
  std::atomic<int> thrown{0};
  run_ranks(3, [&](CommunicatorPtr c) {
    const auto pair = c->split(c->rank() == 0 ? 0 : 1, 0);
    try {
      at::Tensor tensor = at::ones({8});
      if (c->rank() == 0) {
        std::this_thread::sleep_for(milliseconds(30));
        c->abort(4, "gone");
      } else if (c->rank() == 1) {
        pair->barrier();
      } else {
        pair->exchange({}, {{0, tensor}})->wait();
      }
    } catch (const Error&) {
      ++thrown;
    }
  });
  EXPECT_EQ(thrown, 2);
}

TEST(ThreadsMismatch, DifferentCallsAreRefusedOnAllRanks) {
  std::atomic<int> thrown{0};
  run_ranks(2, [&](CommunicatorPtr c) {
    at::Tensor tensor = at::ones({c->rank() == 0 ? 8 : 9});
    try {
      c->all_reduce(tensor);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::internal);
      EXPECT_NE(error.message().find("rank 0 called all_reduce of 8 elements, rank 1 called all_reduce of 9"),
                std::string::npos)
          << error.message();
      ++thrown;
    }
    c->barrier();  // still usable
    try {
      if (c->rank() == 0) c->barrier();
      if (c->rank() == 1) c->broadcast(tensor, 0);
    } catch (const Error&) {
      ++thrown;
    }
  });
  EXPECT_EQ(thrown, 4);
}

TEST(ThreadsMismatch, WrongCountsOfAllToAllEndTheJob) {
  EXPECT_THROW(run_ranks(2,
                         [&](CommunicatorPtr c) {
                           at::Tensor input = at::ones({4}), output = at::ones({4});
                           const std::vector<int64_t> expected =
                               c->rank() == 0 ? std::vector<int64_t>{2, 2} : std::vector<int64_t>{1, 3};
                           c->all_to_all(output, input, expected, {2, 2});
                         }),
               Error);
}

TEST(Preconditions, AreCheckedBeforeAnythingIsSent) {
  run_ranks(1, [](CommunicatorPtr c) {
    at::Tensor strided = at::ones({4, 4}).t(), good = at::ones({4});
    EXPECT_THROW(c->all_reduce(strided), Error);
    EXPECT_THROW(c->all_reduce(at::Tensor()), Error);
    EXPECT_THROW(c->all_gather(at::ones({5}), good), Error);
    EXPECT_THROW(c->reduce_scatter(at::ones({4}, at::kDouble), good), Error);
    EXPECT_THROW(c->broadcast(good, 1), Error);
    EXPECT_THROW(c->exchange({{1, good}}, {}), Error);
    EXPECT_THROW(c->all_to_all(good, good, {3}, {4}), Error);
    EXPECT_THROW(c->all_to_all(good, good, {4, 0}, {4}), Error);
    EXPECT_THROW(c->all_reduce(good, {Sum::sum, at::kHalf, at::kFloat}), Error);
  });
}

TEST(Allocate, MemoryIsAlignedAndOutlivesTheCommunicator) {
  at::Tensor kept;
  run_ranks(2, [&](CommunicatorPtr c) {
    at::Tensor bytes = c->allocate(5000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data_ptr()) % 4096, 0u);
    if (c->rank() == 0) kept = bytes;
  });
  kept.fill_(7);
  EXPECT_EQ(kept.sum().item<int64_t>(), 35000);
}

TEST(Missing, NamesTheRanksThatHaveNotArrived) {
  run_ranks(3, [](CommunicatorPtr c) {
    if (c->rank() == 1) {
      std::thread watcher([&] {
        std::this_thread::sleep_for(milliseconds(50));
        EXPECT_EQ(c->missing(), "0, 2");
      });
      c->barrier();
      watcher.join();
      return;
    }
    std::this_thread::sleep_for(milliseconds(200));
    c->barrier();
  });
}

}  // namespace
}  // namespace plumb::parallel
