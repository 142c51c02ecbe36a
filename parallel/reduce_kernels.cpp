#include "parallel/reduce_kernels.h"

#include <c10/core/ScalarType.h>
#include <c10/util/Half.h>

#include <bit>
#include <cstring>
#include <type_traits>

#include "core/error.h"

namespace plumb::parallel {
namespace {

// Small enough that accumulators stay in the first-level cache, large enough to hide the loop's start.
constexpr int64_t kBlock = 512;

struct Bf16 {
  uint16_t bits;
};

inline float widen(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

inline uint16_t narrow(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40u;  // stays a NaN whatever the low bits were
  return static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

template <class S, class In, bool kRound>
inline S load(In value) {
  if constexpr (std::is_same_v<In, Bf16>) {
    return static_cast<S>(widen(value));
  } else if constexpr (kRound) {
    return static_cast<S>(widen(Bf16{narrow(value)}));
  } else {
    return static_cast<S>(value);
  }
}

template <class Out, class S>
inline Out store(S value) {
  if constexpr (std::is_same_v<Out, Bf16>) {
    return Bf16{narrow(static_cast<float>(value))};
  } else {
    return static_cast<Out>(value);
  }
}

template <class In, class S, class Out, bool kRound, Sum kOp>
void reduce_typed(const std::vector<const std::byte*>& inputs, const std::vector<std::byte*>& outputs,
                  int64_t elements) {
  S sum[kBlock];
  Out result[kBlock];
  for (int64_t begin = 0; begin < elements; begin += kBlock) {
    const int64_t count = std::min(kBlock, elements - begin);
    const In* first = reinterpret_cast<const In*>(inputs[0]) + begin;
    for (int64_t i = 0; i < count; ++i) sum[i] = load<S, In, kRound>(first[i]);
    for (size_t rank = 1; rank < inputs.size(); ++rank) {
      const In* part = reinterpret_cast<const In*>(inputs[rank]) + begin;
      for (int64_t i = 0; i < count; ++i) {
        const S value = load<S, In, kRound>(part[i]);
        if constexpr (kOp == Sum::sum) {
          sum[i] += value;
        } else {
          sum[i] = value > sum[i] || value != value ? value : sum[i];  // a NaN is never lost
        }
      }
    }
    for (int64_t i = 0; i < count; ++i) result[i] = store<Out, S>(sum[i]);
    for (std::byte* output : outputs) {
      std::memcpy(output + begin * static_cast<int64_t>(sizeof(Out)), result, static_cast<size_t>(count) * sizeof(Out));
    }
  }
}

using Kernel = void (*)(const std::vector<const std::byte*>&, const std::vector<std::byte*>&, int64_t);

template <class In, class S, class Out, bool kRound = false>
Kernel kernel_for(Sum op) {
  return op == Sum::sum ? reduce_typed<In, S, Out, kRound, Sum::sum> : reduce_typed<In, S, Out, kRound, Sum::max>;
}

template <class S>
Kernel floating_kernel(const Reduction& r) {
  if (r.input == at::kFloat && r.output == at::kFloat) {
    return r.round_bf16 ? kernel_for<float, S, float, true>(r.op) : kernel_for<float, S, float>(r.op);
  }
  if (r.input == at::kBFloat16 && r.output == at::kBFloat16) return kernel_for<Bf16, S, Bf16>(r.op);
  if (r.input == at::kBFloat16 && r.output == at::kFloat) return kernel_for<Bf16, S, float>(r.op);
  if (r.input == at::kHalf && r.output == at::kHalf) return kernel_for<c10::Half, S, c10::Half>(r.op);
  return nullptr;
}

Kernel find_kernel(const Reduction& r) {
  if (r.input == r.output) {
    switch (r.input) {
      case at::kDouble:
        return kernel_for<double, double, double>(r.op);
      case at::kLong:
        return kernel_for<int64_t, int64_t, int64_t>(r.op);
      case at::kInt:
        return kernel_for<int32_t, int32_t, int32_t>(r.op);
      case at::kByte:
        return kernel_for<uint8_t, uint8_t, uint8_t>(r.op);
      default:
        break;
    }
  }
  return r.sum == at::kDouble ? floating_kernel<double>(r) : floating_kernel<float>(r);
}

}  // namespace

Reduction resolve_reduction(at::ScalarType dtype, const ReduceOptions& options) {
  Reduction reduction{options.op, dtype, dtype, options.sum, false};
  if (dtype == at::kDouble || c10::isIntegralType(dtype, false)) {
    reduction.sum = dtype;
  } else {
    const bool wire_fits =
        options.wire == at::kFloat || options.wire == dtype || (options.wire == at::kBFloat16 && dtype == at::kFloat);
    if (!wire_fits || (options.sum != at::kFloat && options.sum != at::kDouble)) {
      fail_internal(std::string("a reduction of ") + c10::toString(dtype) + " tensors cannot travel as " +
                    c10::toString(options.wire) + " and be added in " + c10::toString(options.sum));
    }
    reduction.round_bf16 = options.wire == at::kBFloat16 && dtype == at::kFloat;
  }
  if (find_kernel(reduction) == nullptr) {
    fail_internal(std::string("no reduction for tensors of ") + c10::toString(dtype));
  }
  return reduction;
}

void reduce_in_order(const Reduction& reduction, const std::vector<const std::byte*>& inputs,
                     const std::vector<std::byte*>& outputs, int64_t elements) {
  find_kernel(reduction)(inputs, outputs, elements);
}

void narrow_to_bf16(const float* input, uint16_t* output, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) output[i] = narrow(input[i]);
}

}  // namespace plumb::parallel
