#include "parallel/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>

#include "parallel/factory.h"
#include "tests/parallel/ranks.h"

namespace plumb::parallel {
namespace {

using testing::HasSubstr;

std::string refusal(MeshShape wanted, int ranks) {
  try {
    resolve_mesh(wanted, ranks);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  return "accepted";
}

MeshShape shape(int data, int shard, int pipeline = 1, int context = 1, int tensor = 1, int expert = 1) {
  return {pipeline, data, shard, context, tensor, expert};
}

TEST(ResolveMesh, AutoTakesWhatIsLeft) {
  EXPECT_EQ(resolve_mesh(shape(1, 0), 8).shard, 8);
  EXPECT_EQ(resolve_mesh(shape(2, 0), 8).shard, 4);
  EXPECT_EQ(resolve_mesh(shape(2, 0, 2, 1, 2), 8).shard, 1);
  EXPECT_EQ(resolve_mesh(shape(1, 4), 4).ranks(), 4);
}

TEST(ResolveMesh, NamesTheNearestMeshThatFits) {
  const std::string wrong_product = refusal(shape(2, 3), 8);
  EXPECT_THAT(wrong_product, HasSubstr("data 2 x shard 3 = 6 ranks, and mpirun started 8"));
  EXPECT_THAT(wrong_product, HasSubstr("hint: nearest mesh of 8 ranks: data 2 x shard 4; or mpirun -n 6"));
  const std::string indivisible = refusal(shape(3, 0), 8);
  EXPECT_THAT(indivisible, HasSubstr("pipeline x data x context x tensor = 3, which does not divide 8 ranks"));
  EXPECT_THAT(indivisible, HasSubstr("nearest mesh of 8 ranks: data 4 x shard 2"));
  EXPECT_THAT(refusal(shape(4, 0), 2), HasSubstr("nearest mesh of 2 ranks: data 2 x shard 1; or mpirun -n 4"));
  EXPECT_THAT(refusal(shape(1, 1, 2), 3), HasSubstr("pipeline 2 x data 1 x shard 1 = 2 ranks"));
}

TEST(ResolveMesh, RefusesNonsense) {
  EXPECT_THAT(refusal(shape(0, 0), 8), HasSubstr("parallel.data: error: expected at least 1, found 0"));
  EXPECT_THAT(refusal(shape(1, 0, 1, 1, -2), 8), HasSubstr("parallel.tensor"));
  EXPECT_THAT(refusal(shape(2147483647, 2147483647, 2147483647), 8), HasSubstr("nearest mesh of 8 ranks"));
  EXPECT_THAT(refusal(shape(2147483647, 0, 1, 2147483647, 2147483647), 8), HasSubstr("nearest mesh of 8 ranks"));
}

TEST(ResolveMesh, ExpertsDivideTheRanksOfAStage) {
  EXPECT_EQ(resolve_mesh(shape(2, 4, 1, 1, 1, 4), 8).expert, 4);
  EXPECT_THAT(refusal(shape(2, 4, 1, 1, 1, 3), 8), HasSubstr("nearest that fits: 2 or 4"));
  EXPECT_THAT(refusal(shape(1, 0, 1, 1, 1, 100), 8), HasSubstr("nearest that fits: 8"));
  EXPECT_THAT(refusal(shape(1, 0, 1, 1, 1, 0), 8), HasSubstr("nearest that fits: 1"));
}

// Every group of every mesh of 8 ranks, against the definition of the order: pipeline slowest, tensor fastest.
TEST(MakeMesh, GroupsAreThoseOfTheRankOrder) {
  for (const MeshShape& s : {shape(1, 8), shape(8, 1), shape(2, 4), shape(2, 2, 2), shape(2, 2, 1, 1, 2)}) {
    run_ranks(8, [&](CommunicatorPtr world) {
      const Mesh mesh = make_mesh(world, s);
      const int inner = s.context * s.tensor, rank = world->rank();
      EXPECT_EQ(mesh.shard->size(), s.shard);
      EXPECT_EQ(mesh.data->size(), s.data);
      EXPECT_EQ(mesh.data_ranks(), s.data * s.shard);
      EXPECT_EQ(mesh.shard->rank(), rank / inner % s.shard);
      EXPECT_EQ(mesh.data->rank(), rank / inner / s.shard % s.data);
      EXPECT_EQ(mesh.data_rank(), rank / inner % (s.shard * s.data));
      // The sum of the members' ranks names the group.
      const int first = rank - mesh.shard->rank() * inner;
      int64_t expected = 0;
      for (int i = 0; i < s.shard; ++i) expected += first + i * inner;
      EXPECT_EQ(all_reduce_value(*mesh.shard, int64_t{rank}), expected);
      const int replica = rank - mesh.data->rank() * inner * s.shard;
      expected = 0;
      for (int i = 0; i < s.data; ++i) expected += replica + i * inner * s.shard;
      EXPECT_EQ(all_reduce_value(*mesh.data, int64_t{rank}), expected);
      if (s.data == 1) {
        EXPECT_EQ(mesh.data_shard, mesh.shard);
      }
    });
  }
}

TEST(MakeMesh, TheWholeWorldIsSharedNotCopied) {
  run_ranks(2, [](CommunicatorPtr world) {
    const Mesh mesh = make_mesh(world, shape(1, 2));
    EXPECT_EQ(mesh.shard, mesh.world);
    EXPECT_EQ(mesh.data_shard, mesh.world);
    EXPECT_EQ(mesh.data->name(), "one");
  });
}

TEST(MakeWorld, AProcessWithoutALauncherIsAlone) {
  const auto world = make_world("auto", at::kCPU, 600);
  EXPECT_EQ(world->name(), "one");
  EXPECT_EQ(make_world("mpi", at::kCPU, 600)->size(), 1);
  EXPECT_EQ(make_world("threads", at::kCPU, 600)->name(), "threads");
  EXPECT_THROW(make_world("gloo", at::kCPU, 600), Error);
  EXPECT_THROW(make_world("nccl", at::kCPU, 600), Error);
}

}  // namespace
}  // namespace plumb::parallel
