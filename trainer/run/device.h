// What the run needs to know of a device; device_cuda.cpp with CUDA, no_device.cpp without.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace plumb::run {

// wanted: auto cuda cpu. `cuda` without a usable GPU is Error(bad_input) with what the driver said.
at::Device choose_device(const std::string& wanted, int local_rank);
int64_t device_memory(at::Device device);       // bytes: of the GPU, or available to this machine's processes
int64_t device_memory_used(at::Device device);  // GPU: in use; CPU: resident set of this process
std::string device_name(at::Device device);
void synchronize(at::Device device);  // all work submitted so far is done

}  // namespace plumb::run
