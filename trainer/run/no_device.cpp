#include "core/error.h"
#include "core/files.h"
#include "trainer/run/device.h"

namespace plumb::run {

at::Device choose_device(const std::string& wanted, int) {
  if (wanted == "cuda") {
    fail_input("parallel.device", "expected cpu or auto, found cuda: this plumb was built without CUDA",
               "build it where a CUDA toolkit is installed, or parallel.device=cpu");
  }
  return at::kCPU;
}

int64_t device_memory(at::Device) { return core::available_memory(); }
int64_t device_memory_used(at::Device) { return core::resident_memory(); }
std::string device_name(at::Device) { return "CPU"; }
void synchronize(at::Device) {}

}  // namespace plumb::run
