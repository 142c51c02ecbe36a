#include "trainer/ops/parallel.h"

#include <ATen/Parallel.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>

namespace plumb::ops {
namespace {

struct Free {
  void operator()(float* pointer) const { std::free(pointer); }
};
struct Block {
  std::unique_ptr<float, Free> memory;
  int64_t count = 0;
};

}  // namespace

void parallel_ranges(int64_t n, int64_t grain, RangeFunction function, void* context) {
  at::parallel_for(0, n, grain, [&](int64_t begin, int64_t end) { function(context, begin, end); });
}

int64_t intra_op_threads() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }

float* thread_scratch(ScratchSlot slot, int64_t count) {
  thread_local std::array<Block, static_cast<size_t>(ScratchSlot::count)> blocks;
  Block& block = blocks[static_cast<size_t>(slot)];
  if (block.count < count) {
    const int64_t rounded = (count + 1023) / 1024 * 1024;
    block.memory.reset();
    block.count = 0;
    block.memory.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(rounded) * sizeof(float))));
    if (!block.memory) throw std::bad_alloc();
    block.count = rounded;
  }
  return block.memory.get();
}

}  // namespace plumb::ops
