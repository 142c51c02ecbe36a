#include "trainer/ops/cpu_features.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "trainer/ops/linear.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace plumb::ops {
namespace {

CpuFeatures detect() {
  CpuFeatures found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  found.intel = __builtin_cpu_is("intel");
  found.avx2 = __builtin_cpu_supports("avx2");
  found.fma = __builtin_cpu_supports("fma");
  // The kernels use these four together.
  found.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (found.avx512 && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    found.amx_bf16 = (edx >> 22) & 1;
    if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) found.avx512_bf16 = (eax >> 5) & 1;
  }
#endif
  return found;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_description() {
  const CpuFeatures& f = cpu_features();
  std::string text;
  auto add = [&](bool has, const char* name) {
    if (has) text += (text.empty() ? "" : " ") + std::string(name);
  };
  add(f.avx2 && !f.avx512, "avx2");
  add(f.avx512, "avx512");
  add(f.avx512_bf16, "avx512_bf16");
  add(f.amx_bf16, "amx_bf16");
  return text.empty() ? "baseline" : text;
}

double measure_gemm_gflops(bool bf16) {
  constexpr int64_t kSize = 1024;
  auto options = at::TensorOptions().dtype(bf16 ? at::kBFloat16 : at::kFloat);
  at::Tensor a = at::ones({kSize, kSize}, options), b = at::ones({kSize, kSize}, options), c = at::empty_like(a);
  using Clock = std::chrono::steady_clock;
  auto best_rate = [&](auto&& gemm) {
    gemm();
    double best = 0;
    const auto start = Clock::now();
    while (Clock::now() - start < std::chrono::milliseconds(100)) {
      const auto before = Clock::now();
      gemm();
      const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
      best = std::max(best, 2.0 * kSize * kSize * kSize / seconds * 1e-9);
    }
    return best;
  };
  // The ceiling is what the better of the two can do: the BLAS that LibTorch brings, or the own kernels.
  return std::max(best_rate([&] { at::mm_out(c, a, b.t()); }), best_rate([&] { ops::linear_out(c, a, b); }));
}

}  // namespace plumb::ops
