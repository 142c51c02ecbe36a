// Host memory for buckets and slots.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace plumb::parallel {

// uint8 [bytes], zeroed and page-aligned; huge pages where the system gives them (page faults of 4 KiB cost more than
// the work on large buffers). Error(out_of_resources) when there is not enough.
at::Tensor allocate_host(int64_t bytes);

// A tensor over memory that `owner` keeps alive. uint8 [bytes].
at::Tensor wrap_host(std::byte* data, int64_t bytes, std::shared_ptr<void> owner);

}  // namespace plumb::parallel
