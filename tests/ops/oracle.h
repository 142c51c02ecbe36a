// Helpers of the op tests: fp64 references with LibTorch's own differentiation, and comparisons with a stated bound.
// Inputs are made on the device under test (the same values on each); references are computed on the CPU.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace plumb::ops::testing {

// While it lives, every at::empty is filled with NaN, so that an element that an op forgets is seen.
class PoisonedOutputs {
 public:
  PoisonedOutputs() { at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true); }
  ~PoisonedOutputs() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

// Every device that this build and this machine have.
inline std::vector<at::DeviceType> devices() {
  std::vector<at::DeviceType> all = {at::kCPU};
  if (at::hasCUDA()) all.push_back(at::kCUDA);
  return all;
}
inline std::string name(at::DeviceType device) { return device == at::kCPU ? "cpu" : "cuda"; }

// Where the running test makes its inputs.
inline at::Device& device() {
  static at::Device current(at::kCPU);
  return current;
}
class OnDevice {
 public:
  explicit OnDevice(at::DeviceType type) {
    device() = at::Device(type);
    // The contract says fp32 accumulation; trainer/run asks for it in the same way.
    if (type == at::kCUDA) at::globalContext().setAllowBF16ReductionCuBLAS(false);
  }
  ~OnDevice() { device() = at::Device(at::kCPU); }
};

inline double unit_roundoff(at::ScalarType type) { return type == at::kBFloat16 ? 0x1p-8 : 0x1p-24; }

inline at::Tensor random(std::vector<int64_t> shape, at::ScalarType type, uint64_t seed, double spread = 1.0) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return (at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)) * spread).to(device(), type);
}
inline at::Tensor wide(const at::Tensor& tensor) { return tensor.detach().to(at::kCPU, at::kDouble); }
inline at::Tensor leaf(const at::Tensor& tensor) { return wide(tensor).requires_grad_(true); }
inline at::Tensor int_tensor(const std::vector<int32_t>& values) { return at::tensor(values, at::kInt).to(device()); }
inline at::Tensor full(std::vector<int64_t> shape, double value, at::ScalarType type = at::kFloat) {
  return at::full(shape, value, at::TensorOptions().dtype(type).device(device()));
}
inline at::Tensor arange(int64_t count, at::ScalarType type) {
  return at::arange(count, at::TensorOptions().dtype(type).device(device()));
}

// |actual - expected| <= bound element by element (bound broadcasts); NaN fails.
inline void expect_within(const at::Tensor& actual, const at::Tensor& expected, const at::Tensor& bound,
                          const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  if (actual.numel() == 0) return;
  at::Tensor excess = (wide(actual) - wide(expected)).abs() - bound;
  at::Tensor bad = (excess <= 0).logical_not();
  if (!bad.any().item<bool>()) return;
  const int64_t first = bad.flatten().nonzero()[0][0].item<int64_t>();
  FAIL() << what << ": " << bad.sum().item<int64_t>() << " of " << actual.numel()
         << " elements outside the bound; element " << first << " is " << wide(actual).flatten()[first].item<double>()
         << ", expected " << wide(expected).flatten()[first].item<double>() << ", bound "
         << bound.expand_as(actual).flatten()[first].item<double>();
}

// Bound `roundings` unit roundoffs of the element and of the largest element of its row (sums mix a row's elements).
inline void expect_close(const at::Tensor& actual, const at::Tensor& expected, double roundings, at::ScalarType type,
                         const std::string& what) {
  at::Tensor reference = wide(expected);
  if (reference.numel() == 0) return;
  at::Tensor scale = reference.abs();
  if (reference.dim() > 0) scale = scale + reference.abs().amax(-1, /*keepdim=*/true);
  expect_within(actual, expected, scale * (roundings * unit_roundoff(type)) + 1e-30, what);
}

inline bool same_bits(const at::Tensor& first, const at::Tensor& second) {
  const at::Tensor a = first.to(at::kCPU).contiguous(), b = second.to(at::kCPU).contiguous();
  return a.sizes() == b.sizes() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

}  // namespace plumb::ops::testing
