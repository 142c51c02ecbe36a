#if defined(__AVX2__)
#include "trainer/ops/cpu/table.h"

namespace plumb::ops::cpu {
const KernelTable* kernels_avx2() { return &kTable; }
}  // namespace plumb::ops::cpu
#else  // another processor family
#include "trainer/ops/cpu/kernels.h"

namespace plumb::ops::cpu {
const KernelTable* kernels_avx2() { return nullptr; }
}  // namespace plumb::ops::cpu
#endif
