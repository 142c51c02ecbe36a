#include "trainer/run/reporter.h"

#include <gtest/gtest.h>

#include "parallel/one_communicator.h"

namespace plumb::run {
namespace {

// The name as the driver gives it -> the data sheet's figure, 0 where none is known.
TEST(Ceiling, OfAPublishedGpu) {
  const auto world = parallel::make_one(at::kCPU, "host");
  const auto peak = [&](const std::string& gpu, const std::string& precision = "bf16") {
    Place place;
    place.device = at::Device(at::kCUDA, 0);
    place.processor = gpu;
    return measure_ceiling(place, precision, *world).flops_per_second;
  };
  EXPECT_EQ(peak("NVIDIA A100-SXM4-80GB"), 312e12);
  EXPECT_EQ(peak("NVIDIA A10"), 125e12);
  EXPECT_EQ(peak("NVIDIA H100 80GB HBM3"), 989e12);
  EXPECT_EQ(peak("NVIDIA GH200 480GB"), 989e12);
  EXPECT_EQ(peak("NVIDIA GB200"), 2500e12);
  EXPECT_EQ(peak("NVIDIA H100 80GB HBM3", "fp32"), 67e12);  // outside tensor cores
  EXPECT_EQ(peak("NVIDIA A100-SXM4-80GB", "fp32"), 19.5e12);
  EXPECT_EQ(peak("NVIDIA B200", "fp32"), 0);
  EXPECT_EQ(peak("NVIDIA A10G"), 0);
  EXPECT_EQ(peak("NVIDIA GeForce RTX 4090"), 0);
}

}  // namespace
}  // namespace plumb::run
