// Portable: vectors of 16 bytes, which every 64-bit processor has.
#include "trainer/ops/cpu/table.h"

namespace plumb::ops::cpu {
const KernelTable* kernels_baseline() { return &kTable; }
}  // namespace plumb::ops::cpu
