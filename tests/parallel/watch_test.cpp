#include "parallel/watch.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "tests/parallel/ranks.h"

namespace plumb::parallel {
namespace {

using testing::HasSubstr;

// Runs `body` on three watched ranks and returns what the first of them that complained said.
std::string first_complaint(double timeout, const std::function<void(Communicator&)>& body) {
  std::mutex mutex;
  std::string said;
  run_ranks(3, [&](CommunicatorPtr c) {
    const auto watched = watch(c, {timeout, [&](const std::string& message) {
                                     const std::lock_guard lock(mutex);
                                     if (said.empty()) said = message;
                                   }});
    try {
      body(*watched);
    } catch (const Error&) {
    }
  });
  return said;
}

TEST(Watch, NamesRankHostStepOperationAndWhoIsNotThere) {
  const std::string said = first_complaint(0.2, [](Communicator& c) {
    set_step(c, 120);
    at::Tensor input = at::ones({30}), output = at::ones({10});
    c.reduce_scatter(output, input)->wait();
    if (c.rank() == 1) {  // stuck elsewhere, until the others have given up
      for (int i = 0; i < 400 && c.missing().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
    c.reduce_scatter(output, input)->wait();
  });
  EXPECT_THAT(said, testing::MatchesRegex("rank [02] \\(host .+\\) has waited 0\\.[0-9]+ s in reduce_scatter of step "
                                          "120: another rank is stuck or gone \\(not there: rank 1 of 3\\)"));
}

TEST(Watch, EndsEveryRankWithCodeFour) {
  std::atomic<int> ended{0};
  first_complaint(0.1, [&](Communicator& c) {
    try {
      if (c.rank() == 2) std::this_thread::sleep_for(std::chrono::milliseconds(400));
      c.barrier();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::rank_failed);
      EXPECT_THAT(error.message(), HasSubstr("in barrier before the first step"));
      ++ended;
    }
  });
  EXPECT_EQ(ended, 3);
}

TEST(Watch, ACallThatThrowsEndsThePeersThatWait) {
  const std::string said = first_complaint(30, [](Communicator& c) {
    set_step(c, 7);
    at::Tensor strided = at::ones({4, 4}).t(), good = at::ones({4, 4});
    c.all_reduce(c.rank() == 1 ? strided : good);
  });
  EXPECT_THAT(said, HasSubstr("rank 1 (host "));
  EXPECT_THAT(said, HasSubstr("failed in all_reduce of step 7: all_reduce on rank 1: a tensor that is not contiguous"));
}

TEST(Watch, SeesMessagesThatNeverComeAndSplitCommunicators) {
  const std::string said = first_complaint(0.2, [](Communicator& c) {
    const auto pair = c.split(c.rank() == 0 ? 0 : 1, 0);
    set_step(*pair, 3);
    at::Tensor tensor = at::ones({4});
    if (c.rank() == 1) pair->exchange({}, {{1, tensor}})->wait();
    c.barrier();
  });
  EXPECT_THAT(said, HasSubstr("in "));
  EXPECT_THAT(said, HasSubstr("another rank is stuck or gone"));
}

TEST(Watch, StaysSilentWhileAllGoesWell) {
  const std::string said = first_complaint(0.5, [](Communicator& c) {
    at::Tensor tensor = at::ones({1000});
    for (int i = 0; i < 200; ++i) c.all_reduce(tensor, {Sum::max});
    EXPECT_EQ(tensor.sum().item<float>(), 1000.0f);
    std::this_thread::sleep_for(std::chrono::milliseconds(700));  // outside a call: nobody waits
    EXPECT_EQ(c.name(), "threads");
  });
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace plumb::parallel
