#include <ATen/Context.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "core/error.h"
#include "core/files.h"
#include "trainer/run/device.h"

namespace plumb::run {

at::Device choose_device(const std::string& wanted, int local_rank) {
  if (wanted == "cpu") return at::kCPU;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    if (wanted == "cuda") {
      fail_input("parallel.device",
                 fmt::format("expected a GPU, found none ({})",
                             error == cudaSuccess ? "no device" : cudaGetErrorString(error)),
                 "nvidia-smi shows what the driver sees; parallel.device=cpu runs without");
    }
    return at::kCPU;
  }
  if (local_rank >= count) {
    fail_input("mpirun", fmt::format("expected at most {} ranks on this host (one a GPU), found more", count),
               "fewer ranks, or CUDA_VISIBLE_DEVICES with more GPUs");
  }
  cudaSetDevice(local_rank);
  // bf16 GEMMs accumulate in fp32: LibTorch's default lets cuBLAS join partial sums in bf16.
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(local_rank));
}

int64_t device_memory(at::Device device) {
  if (!device.is_cuda()) return core::available_memory();
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return static_cast<int64_t>(free);
}

int64_t device_memory_used(at::Device device) {
  if (!device.is_cuda()) return core::resident_memory();
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return static_cast<int64_t>(total - free);
}

std::string device_name(at::Device device) {
  if (!device.is_cuda()) return "CPU";
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, device.index());
  return properties.name;
}

void synchronize(at::Device device) {
  if (device.is_cuda()) cudaDeviceSynchronize();
}

}  // namespace plumb::run
