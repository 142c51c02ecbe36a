// A process that saves without end is killed at random moments: the last checkpoint that it had called durable, or a
// newer one, must be there, whole.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "tests/checkpoint/support.h"

namespace plumb::checkpoint {
namespace {

constexpr int64_t kRepeat = 100;  // 400 KB a checkpoint: a kill meets every phase of a save

// Saves step after step on two ranks and tells each through the pipe once save() has returned.
[[noreturn]] void save_for_ever(const fs::path& run, int64_t first, int pipe) {
  for (int64_t step = first;; ++step) {
    save_on(run, 2, step, kRepeat);
    if (write(pipe, &step, sizeof(step)) != sizeof(step)) _exit(1);
    prune(run, {2, {}});
  }
}

TEST(Kill, NeverLosesTheLastGoodCheckpoint) {
  const Folder run;
  std::mt19937 random(20240607);
  int64_t durable = -1;
  int unfinished = 0;
  for (int round = 0; round < 50; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) save_for_ever(run, durable + 1, ends[1]);
    close(ends[1]);
    // Past the first save, so that the moments spread over the phases of the following ones.
    int64_t step = 0;
    ASSERT_EQ(read(ends[0], &step, sizeof(step)), static_cast<ssize_t>(sizeof(step)));
    durable = step;
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(0, 30'000)(random)));
    kill(child, SIGKILL);
    while (read(ends[0], &step, sizeof(step)) == static_cast<ssize_t>(sizeof(step))) durable = step;
    close(ends[0]);
    waitpid(child, nullptr, 0);

    for (const auto& entry : fs::directory_iterator(run)) unfinished += entry.path().extension() == ".tmp" ? 1 : 0;
    std::vector<std::string> notices;
    const auto newest = newest_good(run, &notices);
    ASSERT_TRUE(newest) << "round " << round;
    EXPECT_GE(newest->step, durable);
    EXPECT_THAT(notices, testing::IsEmpty()) << "no half checkpoint ever has a final name";
    load_on(*newest, 1 + round % 4, newest->step, kRepeat);
    durable = newest->step;
  }
  EXPECT_GT(unfinished, 5) << "the kills did not meet saves under way: the test shows nothing";
}

// The same step saved again and again is exchanged, never absent.
TEST(Kill, ReplacingAStepIsAtomic) {
  const Folder run;
  save_on(run, 1, 5, kRepeat);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) save_on(run, 1, 5, kRepeat);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution<int>(5'000, 60'000)(random)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const auto newest = newest_good(run);
    ASSERT_TRUE(newest) << "round " << round;
    load_on(*newest, 2, 5, kRepeat);
  }
}

}  // namespace
}  // namespace plumb::checkpoint
