// The same cases as for the other communicators, on GPUs: one rank a GPU.
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include "core/error.h"
#include "parallel/nccl_communicator.h"
#include "tests/parallel/collective_cases.h"

namespace plumb::parallel {
namespace {

class Nccl : public testing::Test {
 protected:
  void SetUp() override {
    info_ = launch_info();
    const int gpus = at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
    if (gpus < info_.local_size) {
      GTEST_SKIP() << "needs " << info_.local_size << " GPUs on this host, found " << gpus;
    }
  }
  CommunicatorPtr make() const { return make_nccl({at::kCUDA, static_cast<at::DeviceIndex>(info_.local_rank)}, info_); }
  LaunchInfo info_;
};

TEST_F(Nccl, EveryCollectiveGivesTheKnownAnswer) { cases::everything(*make()); }

TEST_F(Nccl, TheWorldIsWhatTheLauncherSays) {
  const auto c = make();
  EXPECT_EQ(c->rank(), info_.rank);
  EXPECT_EQ(c->size(), info_.size);
  EXPECT_TRUE(c->device().is_cuda());
  EXPECT_EQ(c->name(), "nccl");
}

// A GPU that is not there is an answer, not an abort.
TEST(NcclWithoutGpu, IsRefused) {
  if (at::hasCUDA()) GTEST_SKIP() << "this machine has a GPU";
  EXPECT_THROW(make_nccl({at::kCUDA, 0}, launch_info()), Error);
}

}  // namespace
}  // namespace plumb::parallel
