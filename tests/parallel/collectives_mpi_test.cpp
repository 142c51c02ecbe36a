#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "parallel/factory.h"
#include "parallel/mesh.h"
#include "parallel/mpi_communicator.h"
#include "parallel/watch.h"
#include "tests/parallel/collective_cases.h"

namespace plumb::parallel {
namespace {

bool skipped_without_mpi() { return !launch_info().under_mpi; }

class Mpi : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (skipped_without_mpi()) GTEST_SKIP() << "not started by mpirun";
  }
  // Small pieces, so that small tensors already need several of them.
  CommunicatorPtr make() const { return make_mpi(MPI_COMM_WORLD, {GetParam(), 12 * 1024, 100'000, 24 * 1024}); }
};

TEST_P(Mpi, EveryCollectiveGivesTheKnownAnswer) { cases::everything(*make()); }

TEST_P(Mpi, TheWorldIsWhatTheLauncherSays) {
  const auto c = make();
  const LaunchInfo info = launch_info();
  EXPECT_EQ(c->rank(), info.rank);
  EXPECT_EQ(c->size(), info.size);
  EXPECT_EQ(c->host(c->rank()), info.host);
  EXPECT_EQ(c->name(), "mpi");
}

// A message that is under way goes on while this rank waits in a barrier.
TEST_P(Mpi, AMessagePassesWhileThePeerWaitsInABarrier) {
  const auto c = make();
  if (c->size() == 1) return;
  const int peer = c->rank() ^ 1;
  at::Tensor inbox = at::zeros({1 << 20}), outbox = at::full({1 << 20}, static_cast<float>(c->rank()));
  if (peer < c->size()) {
    PendingPtr pending = c->exchange({}, {{peer, inbox}});
    if (c->rank() % 2 == 0) {
      PendingPtr sent = c->exchange({{peer, outbox}}, {});
      c->barrier();
      sent->wait();
    } else {
      c->exchange({{peer, outbox}}, {})->wait();
      c->barrier();
    }
    pending->wait();
    EXPECT_EQ(inbox.sum().item<float>(), static_cast<float>(peer) * static_cast<float>(1 << 20));
  } else {
    c->barrier();
  }
}

TEST_P(Mpi, MemoryIsReusedAfterItsTensorsAreGone) {
  const auto c = make();
  void* first = nullptr;
  for (int round = 0; round < 20; ++round) {
    at::Tensor buffer = c->allocate(1 << 20);
    EXPECT_EQ(buffer.sum().item<int64_t>(), 0);
    if (round == 0) first = buffer.data_ptr();
    if (GetParam()) {
      EXPECT_EQ(buffer.data_ptr(), first);
    }
    buffer.fill_(1);
    at::Tensor values = buffer.view(at::kFloat);
    values.fill_(1);
    c->all_reduce(values);
    EXPECT_EQ(values[7].item<float>(), static_cast<float>(c->size()));
    // A rank that keeps a tensor keeps the window of all ranks.
    at::Tensor kept = c->rank() == 0 ? c->allocate(4096) : at::Tensor();
    if (c->rank() != 0) c->allocate(4096);
    at::Tensor other = c->allocate(4096);
    if (c->rank() == 0) {
      EXPECT_NE(kept.data_ptr(), other.data_ptr());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Transport, Mpi, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "shared" : "network"; });

TEST(MpiLarge, MoreThanTwoToTheThirtyFirstElements) {
  if (skipped_without_mpi()) GTEST_SKIP() << "not started by mpirun";
  const int64_t elements = (int64_t{1} << 31) + 64 * 12;
  const auto world = make_world("mpi", at::kCPU, 600);
  const int64_t part = elements / 12 * 12 / world->size();
  const bool fits = core::available_memory() > 2 * world->size() * (elements + (int64_t{1} << 30));
  if (world->size() == 1 || world->size() > 2 || all_reduce_value(*world, int64_t{fits ? 0 : 1}) > 0) {
    GTEST_SKIP() << "run with 2 ranks and memory for it";
  }
  at::Tensor slot = at::zeros({part * world->size()}, at::kByte);
  slot.narrow(0, world->rank() * part, part).fill_(world->rank() + 1);
  world->all_gather(slot, slot.narrow(0, world->rank() * part, part))->wait();
  for (int rank = 0; rank < world->size(); ++rank) {
    EXPECT_EQ(slot[rank * part].item<int>(), rank + 1);
    EXPECT_EQ(slot[(rank + 1) * part - 1].item<int>(), rank + 1);
  }
  world->all_reduce(slot);
  EXPECT_EQ(slot[0].item<int>(), world->size());
  EXPECT_EQ(slot[slot.numel() - 1].item<int>(), world->size() * world->size());
}

TEST(MpiWorld, MakesAMeshAndIsWatched) {
  if (skipped_without_mpi()) GTEST_SKIP() << "not started by mpirun";
  const auto world = make_world("auto", at::kCPU, 60);
  set_step(*world, 1);
  MeshShape wanted;
  wanted.shard = 0;  // auto
  const Mesh mesh = make_mesh(world, resolve_mesh(wanted, world->size()));
  EXPECT_EQ(mesh.shard->size(), world->size());
  cases::everything(*mesh.shard);
  if (world->size() > 1) {
    EXPECT_THROW(make_world("one", at::kCPU, 60), Error);
    EXPECT_THROW(make_world("threads", at::kCPU, 60), Error);
  }
}

// The ways a job ends, started as jobs of their own by tests/parallel/job_ends_test.cpp: PLUMB_TEST_END says which.
TEST(MpiEnd, AsAsked) {
  const char* how = std::getenv("PLUMB_TEST_END");
  if (how == nullptr) GTEST_SKIP() << "only when PLUMB_TEST_END asks for it";
  const std::string end = how;
  const auto world = make_world("mpi", at::kCPU, 1.0);
  set_step(*world, 12);
  if (end == "stuck" && world->rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(60));
  if (end == "throws" && world->rank() == 1) world->broadcast(at::ones({2, 2}).t(), 0);
  if (end == "dies" && world->rank() == 1) std::abort();
  if (end == "fails" && world->rank() == 1) std::exit(parallel::mpi_barrier_and_finalize(2, 0.5));
  if (end == "codes") std::exit(parallel::mpi_barrier_and_finalize(world->rank() == 1 ? 75 : 0));
  world->barrier();
}

}  // namespace
}  // namespace plumb::parallel
