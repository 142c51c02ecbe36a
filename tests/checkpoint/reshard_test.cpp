#include <sys/resource.h>

#include <csignal>

#include "tests/checkpoint/support.h"

namespace plumb::checkpoint {
namespace {

using testing::HasSubstr;

class Reshard : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(Reshard, SavedOnSomeRanksLoadsOnOthers) {
  const auto [saved, loaded] = GetParam();
  const Folder run;
  save_on(run, saved, 7);
  const auto newest = newest_good(run);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->step, 7);
  EXPECT_TRUE(newest->verified);
  EXPECT_EQ(newest->about["note"], "é \" \\ 1e-3");
  EXPECT_EQ(newest->files.size(), static_cast<size_t>(saved));
  load_on(*newest, loaded, 7);
  load_on(open(run / "step-7", false), loaded, 7);  // the ranks verify it themselves
}

INSTANTIATE_TEST_SUITE_P(Ranks, Reshard, testing::Combine(testing::Values(1, 2, 4), testing::Values(1, 2, 4)));

TEST(Save, LeavesOnlyTheCheckpointAndSaysItsSize) {
  const Folder run;
  create_directories(run / "step-3.tmp");  // an earlier save that did not end
  write_all(run / "step-3.tmp/shard-00000.safetensors", "half");
  write_all(run / "metrics.jsonl", "{}\n");
  int64_t bytes = 0;
  run_ranks(2, [&](CommunicatorPtr c) {
    const auto result = save(run, 4, make_state(c->rank(), 2, 4), {}, *c, true);
    if (c->rank() == 0) bytes = result.bytes;
    EXPECT_TRUE(fs::exists(result.folder / "manifest.json"));
  });
  EXPECT_EQ(bytes, (37 * 8 + 64 + 8) * 3 * 4);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run)) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre("step-4", "metrics.jsonl"));
}

TEST(Save, TheSameStepAgainReplacesIt) {
  const Folder run;
  save_on(run, 2, 4);
  run_ranks(1, [&](CommunicatorPtr c) {
    engine::StateRegistry state = make_state(0, 1, 4);
    state.values["best"] = 1;
    save(run, 4, state, {}, *c, true);
  });
  const Manifest manifest = open(run / "step-4");
  EXPECT_EQ(manifest.files.size(), 1u);
  EXPECT_EQ(manifest.values["best"], 1);
  EXPECT_FALSE(fs::exists(run / "step-4.tmp"));
}

TEST(Save, ReplicasThatDoNotWriteReturnAtOnce) {
  const Folder run;
  run_ranks(2, [&](CommunicatorPtr c) { save(run, 1, make_state(c->rank(), 2, 1), {}, *c, false); });
  EXPECT_FALSE(newest_good(run));
}

TEST(Save, AnElementThatNobodyOrTwoSaveIsABug) {
  const Folder run;
  for (const int64_t shift : {-1, 1}) {
    const std::string said = refusal(
        [&] {
          run_ranks(2, [&](CommunicatorPtr c) {
            engine::StateRegistry state = make_state(c->rank(), 2, 1);
            if (c->rank() == 1) {
              auto& part = state.parts[0];
              part.begin += shift;
              part.data = at::zeros({part.end - part.begin});
            }
            save(run, 1, state, {}, *c, true);
          });
        },
        ExitCode::internal);
    EXPECT_THAT(said, HasSubstr("embedding.weight"));
    EXPECT_FALSE(fs::exists(run / "step-1"));
    EXPECT_FALSE(fs::exists(run / "step-1.tmp"));
  }
}

// A limit on the size of files is a full disk that one process can have alone.
TEST(Save, AFullDiskIsSaidOnAllRanksAndHurtsNothing) {
  const Folder run;
  save_on(run, 2, 1, 200);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 100'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::atomic<int> told{0};
  run_ranks(2, [&](CommunicatorPtr c) {
    const std::string said =
        refusal([&] { save(run, 2, make_state(c->rank(), 2, 2, 200), {}, *c, true); }, ExitCode::out_of_resources);
    if (said.find("rank ") != std::string::npos && said.find("shard-0000") != std::string::npos) ++told;
  });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(told, 2);
  EXPECT_FALSE(fs::exists(run / "step-2.tmp"));
  EXPECT_FALSE(fs::exists(run / "step-2"));
  ASSERT_TRUE(newest_good(run));
  load_on(*newest_good(run), 4, 1, 200);
  save_on(run, 2, 2, 200);  // space is back
  EXPECT_EQ(newest_good(run)->step, 2);
}

// One rank alone cannot write: the others, which could, say the same error.
TEST(Save, AFailureOfOneRankIsEverybodys) {
  const Folder run;
  std::atomic<int> told{0};
  run_ranks(4, [&](CommunicatorPtr c) {
    engine::StateRegistry state = make_state(c->rank(), 4, 1);
    if (c->rank() == 2) state.parts[0].data = at::zeros({1});
    const std::string said = refusal([&] { save(run, 1, state, {}, *c, true); }, ExitCode::internal);
    if (said.find("rank 2: state part embedding.weight does not fit its range") != std::string::npos) ++told;
  });
  EXPECT_EQ(told, 4);
}

TEST(Load, SaysWhatDoesNotFit) {
  const Folder run;
  save_on(run, 2, 1);
  const Manifest manifest = open(run / "step-1");
  const auto attempt = [&](const std::function<void(engine::StateRegistry&)>& change) {
    return refusal([&] {
      run_ranks(2, [&](CommunicatorPtr c) {
        engine::StateRegistry state = make_state(c->rank(), 2, 1);
        change(state);
        load(manifest, state, *c);
      });
    });
  };
  EXPECT_THAT(attempt([](auto& state) {
                state.parts[0].shape = {74, 4};
              }),
              HasSubstr("tensor embedding.weight: error: rank 0: expected the shape [74, 4], found [37, 8]"));
  EXPECT_THAT(attempt([](auto& state) { state.parts[0].name = "head.weight"; }),
              HasSubstr("there is no tensor head.weight"));
  EXPECT_THAT(attempt([](auto& state) { state.parts.resize(3); }), HasSubstr("which this run does not train"));
}

TEST(Weights, GiveAnyRangeAndRefuseOthers) {
  const Folder run;
  save_on(run, 4, 9);
  const auto source = weights(open(run / "step-9"));
  EXPECT_TRUE(source->has("embedding.weight"));
  EXPECT_FALSE(source->has("adamw.m/embedding.weight"));
  EXPECT_FALSE(source->has("head.weight"));
  for (int64_t begin = 0; begin < 37 * 8; begin += 13) {
    std::vector<float> out(static_cast<size_t>(std::min<int64_t>(101, 37 * 8 - begin)));
    source->read("embedding.weight", {37, 8}, begin, out);
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(out[i], value_of("embedding.weight", 9, begin + static_cast<int64_t>(i)));
    }
  }
  std::vector<float> out(2);
  EXPECT_THAT(refusal([&] { source->read("embedding.weight", {8, 37}, 0, out); }), HasSubstr("found [37, 8]"));
  EXPECT_THAT(refusal([&] {
                source->read("head.weight", {37, 8}, 0, out);
              }),
              HasSubstr("there are no weights head.weight"));
  EXPECT_THROW(source->read("final_norm.weight", {8}, 7, out), Error);
  EXPECT_EQ(source->digest(), weights(open(run / "step-9"))->digest());
  save_on(run, 4, 10);
  EXPECT_NE(source->digest(), weights(open(run / "step-10"))->digest());
}

TEST(Prune, KeepsTheNewestGoodOnesAndTheProtected) {
  const Folder run;
  for (int64_t step = 1; step <= 6; ++step) save_on(run, 1, step);
  fs::remove(run / "step-5/shard-00000.safetensors");  // does not count as kept
  prune(run, {2, {2}});
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run)) names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre("step-2", "step-4", "step-5", "step-6"));
  prune(run, {0, {}});
  EXPECT_TRUE(fs::exists(run / "step-6"));
  EXPECT_FALSE(fs::exists(run / "step-4"));
}

}  // namespace
}  // namespace plumb::checkpoint
