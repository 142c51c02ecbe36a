#include <cstdlib>
#include <string>

#include "core/error.h"
#include "trainer/ops/cpu/kernels.h"
#include "trainer/ops/cpu_features.h"

namespace plumb::ops::cpu {
namespace {

const KernelTable& choose() {
  const CpuFeatures& features = cpu_features();
  const char* wish = std::getenv("PLUMB_ISA");
  const std::string limit = wish ? wish : "avx512";
  if (limit != "baseline" && limit != "avx2" && limit != "avx512") {
    fail_input("PLUMB_ISA", "expected baseline, avx2 or avx512, found \"" + limit + "\"");
  }
  if (limit == "avx512" && features.avx512 && kernels_avx512()) return *kernels_avx512();
  if (limit != "baseline" && features.avx2 && features.fma && kernels_avx2()) return *kernels_avx2();
  return *kernels_baseline();
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable& table = choose();
  return table;
}

}  // namespace plumb::ops::cpu
