#if defined(__AVX512F__)
#include "trainer/ops/cpu/table.h"

namespace plumb::ops::cpu {
const KernelTable* kernels_avx512() { return &kTable; }
}  // namespace plumb::ops::cpu
#else  // another processor family
#include "trainer/ops/cpu/kernels.h"

namespace plumb::ops::cpu {
const KernelTable* kernels_avx512() { return nullptr; }
}  // namespace plumb::ops::cpu
#endif
