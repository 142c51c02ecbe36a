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

namespace {

using Clock = std::chrono::steady_clock;

// The fastest of the calls that fit into `budget`: on a busy machine the one that nobody interrupted.
template <class Gemm>
double best_rate(int64_t size, std::chrono::milliseconds budget, Gemm&& gemm) {
  gemm();
  double best = 0;
  const auto start = Clock::now();
  while (Clock::now() - start < budget) {
    const auto before = Clock::now();
    gemm();
    const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / seconds * 1e-9);
  }
  return best;
}

}  // namespace

double measure_gemm_gflops(bool bf16) {
  double best = 0;
  // 512: about two milliseconds a call, shorter than the slice of time that a scheduler gives; 1024: nearer to the
  // peak.
  for (const int64_t size : {512, 1024}) {
    const auto options = at::TensorOptions().dtype(bf16 ? at::kBFloat16 : at::kFloat);
    at::Tensor a = at::ones({size, size}, options), b = at::ones({size, size}, options), c = at::empty_like(a);
    // The ceiling is what the better of the two can do: the BLAS that LibTorch brings, or the own kernels.
    const std::chrono::milliseconds budget(50);
    best = std::max(best, best_rate(size, budget, [&] { at::mm_out(c, a, b.t()); }));
    best = std::max(best, best_rate(size, budget, [&] { ops::linear_out(c, a, b); }));
  }
  return best;
}

}  // namespace plumb::ops
