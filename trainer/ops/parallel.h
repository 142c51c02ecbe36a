// Loops over LibTorch's intra-op threads (at::set_num_threads), and scratch memory that a thread keeps.
#pragma once
#include <cstdint>
#include <type_traits>

namespace plumb::ops {

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);
// Splits [0, n) into at most one contiguous range a thread, none smaller than `grain` but the last.
void parallel_ranges(int64_t n, int64_t grain, RangeFunction function, void* context);
int64_t intra_op_threads();  // 1 inside a parallel region

template <class Function>
void parallel_for(int64_t n, int64_t grain, Function&& function) {
  auto call = [](void* context, int64_t begin, int64_t end) {
    (*static_cast<std::remove_reference_t<Function>*>(context))(begin, end);
  };
  parallel_ranges(n, grain, call, &function);
}

// At least `count` floats, 64-byte aligned, this thread's until its next call with the same slot. Not cleared.
enum class ScratchSlot { kernel, logits, convert, count };
float* thread_scratch(ScratchSlot slot, int64_t count);

}  // namespace plumb::ops
