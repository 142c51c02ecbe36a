#include "parallel/host_memory.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include "core/error.h"

namespace plumb::parallel {

at::Tensor wrap_host(std::byte* data, int64_t bytes, std::shared_ptr<void> owner) {
  return at::from_blob(
      data, {bytes}, [owner = std::move(owner)](void*) {}, at::TensorOptions().dtype(at::kByte));
}

at::Tensor allocate_host(int64_t bytes) {
  if (bytes < 0) fail_internal("allocation of a negative size");
  if (bytes == 0) return at::empty({0}, at::kByte);
  const auto size = static_cast<size_t>(bytes);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(ExitCode::out_of_resources, "no memory for a buffer of " + std::to_string(bytes) + " bytes", "",
                "use more ranks with parallel.zero 3, a smaller micro-batch, or train.recompute");
  }
  madvise(memory, size, MADV_HUGEPAGE);  // advice: a kernel that cannot follow it still gives the memory
  std::shared_ptr<void> owner(memory, [size](void* p) { munmap(p, size); });
  return wrap_host(static_cast<std::byte*>(memory), bytes, std::move(owner));
}

}  // namespace plumb::parallel
