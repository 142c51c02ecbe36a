// How jobs under mpirun end: each case is a job of its own, and its exit code and message are looked at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

struct Ended {
  int code = -1;
  std::string output;
  double seconds = 0;
};

Ended run_job(const std::string& how) {
  const char* mpiexec = std::getenv("TEST_MPIEXEC");
  const char* binary = std::getenv("TEST_MPI_TESTS");
  if (mpiexec == nullptr || binary == nullptr) return {};
  const std::string command =
      "PLUMB_TEST_END=" + how + " '" + mpiexec + "' -n 2 '" + binary + "' --gtest_filter=MpiEnd.* 2>&1";
  const auto start = std::chrono::steady_clock::now();
  Ended ended;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) ended.output.append(buffer.data(), got);
  const int status = pclose(pipe);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  ended.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return ended;
}

class JobEnds : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("TEST_MPI_TESTS") == nullptr) GTEST_SKIP() << "TEST_MPI_TESTS and TEST_MPIEXEC are not set";
  }
};

TEST_F(JobEnds, AStuckRankIsNamedAndTheCodeIsFour) {
  const Ended ended = run_job("stuck");
  EXPECT_EQ(ended.code, 4) << ended.output;
  EXPECT_THAT(ended.output,
              testing::HasSubstr("in barrier of step 12: another rank is stuck or gone (not there: rank 1 of 2)"));
  EXPECT_LT(ended.seconds, 20);
}

TEST_F(JobEnds, ACallThatThrowsEndsTheJobWithItsCode) {
  const Ended ended = run_job("throws");
  EXPECT_EQ(ended.code, 70) << ended.output;
  EXPECT_THAT(ended.output, testing::HasSubstr("rank 1 (host "));
  EXPECT_THAT(ended.output, testing::HasSubstr("failed in broadcast of step 12"));
}

TEST_F(JobEnds, ARankThatDiesTakesTheJobWithIt) {
  const Ended ended = run_job("dies");
  EXPECT_GT(ended.code, 127) << ended.output;
  EXPECT_LT(ended.seconds, 20);
}

TEST_F(JobEnds, ARankThatFailsAloneDoesNotLeaveItsPeersWaiting) {
  const Ended ended = run_job("fails");
  EXPECT_EQ(ended.code, 2) << ended.output;
  EXPECT_THAT(ended.output, testing::HasSubstr("the others have not ended"));
}

TEST_F(JobEnds, AllRanksReturnTheLargestCode) { EXPECT_EQ(run_job("codes").code, 75); }

}  // namespace
