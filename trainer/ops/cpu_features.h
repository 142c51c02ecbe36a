// What this processor can do, looked up once; kernels and the default precision are chosen by it, and it is printed.
#pragma once
#include <string>

namespace plumb::ops {

struct CpuFeatures {
  bool avx2 = false, fma = false, avx512 = false, avx512_bf16 = false, amx_bf16 = false, intel = false;
};
const CpuFeatures& cpu_features();
std::string cpu_description();  // "avx512 avx512_bf16" for the start block and manifests
// GFLOP/s of a square fp32 GEMM measured now with the current thread count (about 0.2 s): this machine's ceiling.
double measure_gemm_gflops(bool bf16);

}  // namespace plumb::ops
