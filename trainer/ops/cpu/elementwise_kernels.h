// Row and element kernels. Included by each kernels_<isa>.cpp.
#pragma once
#include "trainer/ops/cpu/vector.h"

namespace plumb::ops::cpu {
namespace {

template <class E>
void rms_norm(const E* x, const E* delta, const E* weight, E* y, E* sum, float* rstd, int64_t rows, int64_t width,
              float eps) {
  const int64_t full = width / kLanes * kLanes, rest = width - full;
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    Vec squares = {};
    const E* stream = x;
    if (delta) {
      for (int64_t i = 0; i < full; i += kLanes) {
        const Vec s = round_to(x, load(x + i) + load(delta + i));
        store(sum + i, s);
        squares += s * s;
      }
      if (rest) {
        const Vec s = round_to(x, load_part(x + full, rest) + load_part(delta + full, rest));
        store_part(sum + full, s, rest);
        squares += s * s;
      }
      stream = sum;
    } else {
      for (int64_t i = 0; i < full; i += kLanes) {
        const Vec s = load(x + i);
        squares += s * s;
      }
      if (rest) {
        const Vec s = load_part(x + full, rest);
        squares += s * s;
      }
    }
    const float scale = 1.0f / __builtin_sqrtf(reduce_add(squares) / static_cast<float>(width) + eps);
    rstd[row] = scale;
    for (int64_t i = 0; i < full; i += kLanes) {
      store(y + i, round_to(x, load(stream + i) * scale) * load(weight + i));
    }
    if (rest) {
      store_part(y + full, round_to(x, load_part(stream + full, rest) * scale) * load_part(weight + full, rest), rest);
    }
    if (delta) delta += width, sum += width;
  }
}

// One vector of the gradient: also adds to dweight. Loads and stores are passed in, so that the tail shares it.
struct NormGrad {
  Vec dsum, dweight;
};
template <class E>
inline NormGrad norm_grad(const E* type, Vec dy, Vec sum, Vec weight, float rstd, float projection) {
  const Vec normalised = sum * rstd;
  return {(dy * weight - normalised * projection) * rstd, dy * round_to(type, normalised)};
}

template <class E>
void rms_norm_grad(const E* dy, const E* direct, const E* sum, const float* rstd, const E* weight, E* dsum,
                   float* dweight, int64_t rows, int64_t width) {
  const int64_t full = width / kLanes * kLanes, rest = width - full;
  for (int64_t row = 0; row < rows; ++row, dy += width, sum += width, dsum += width) {
    Vec dots = {};
    for (int64_t i = 0; i < full; i += kLanes) dots += load(dy + i) * load(weight + i) * load(sum + i);
    if (rest) dots += load_part(dy + full, rest) * load_part(weight + full, rest) * load_part(sum + full, rest);
    const float projection = reduce_add(dots) * rstd[row] / static_cast<float>(width);
    for (int64_t i = 0; i < full; i += kLanes) {
      NormGrad g = norm_grad(dy, load(dy + i), load(sum + i), load(weight + i), rstd[row], projection);
      if (direct) g.dsum += load(direct + i);
      store(dsum + i, g.dsum);
      if (dweight) store(dweight + i, load(dweight + i) + g.dweight);
    }
    if (rest) {
      NormGrad g = norm_grad(dy, load_part(dy + full, rest), load_part(sum + full, rest),
                             load_part(weight + full, rest), rstd[row], projection);
      if (direct) g.dsum += load_part(direct + full, rest);
      store_part(dsum + full, g.dsum, rest);
      if (dweight) store_part(dweight + full, load_part(dweight + full, rest) + g.dweight, rest);
    }
    if (direct) direct += width;
  }
}

template <class E>
void swiglu(const E* gate_up, E* y, int64_t rows, int64_t width) {
  const int64_t full = width / kLanes * kLanes, rest = width - full;
  for (int64_t row = 0; row < rows; ++row, gate_up += 2 * width, y += width) {
    const E* up = gate_up + width;
    for (int64_t i = 0; i < full; i += kLanes) {
      const Vec gate = load(gate_up + i);
      store(y + i, gate * sigmoid(gate) * load(up + i));
    }
    if (rest) {
      const Vec gate = load_part(gate_up + full, rest);
      store_part(y + full, gate * sigmoid(gate) * load_part(up + full, rest), rest);
    }
  }
}

struct GateUp {
  Vec gate, up;
};
inline GateUp swiglu_gradient(Vec dy, Vec gate, Vec up) {
  const Vec s = sigmoid(gate), silu = gate * s;
  return {dy * up * (s + silu * (1.0f - s)), dy * silu};
}

template <class E>
void swiglu_grad(const E* dy, const E* gate_up, E* dgate_up, int64_t rows, int64_t width) {
  const int64_t full = width / kLanes * kLanes, rest = width - full;
  for (int64_t row = 0; row < rows; ++row, dy += width, gate_up += 2 * width, dgate_up += 2 * width) {
    for (int64_t i = 0; i < full; i += kLanes) {
      const GateUp d = swiglu_gradient(load(dy + i), load(gate_up + i), load(gate_up + width + i));
      store(dgate_up + i, d.gate);
      store(dgate_up + width + i, d.up);
    }
    if (rest) {
      const GateUp d = swiglu_gradient(load_part(dy + full, rest), load_part(gate_up + full, rest),
                                       load_part(gate_up + width + full, rest));
      store_part(dgate_up + full, d.gate, rest);
      store_part(dgate_up + width + full, d.up, rest);
    }
  }
}

template <class E>
void rope(E* x, int64_t row_stride, int64_t heads, int64_t head_dim, const int32_t* positions, const float* cosine,
          const float* sine, int64_t rows, float sign) {
  const int64_t half = head_dim / 2, full = half / kLanes * kLanes, rest = half - full;
  for (int64_t row = 0; row < rows; ++row, x += row_stride) {
    const float* c = cosine + positions[row] * half;
    const float* s = sine + positions[row] * half;
    for (int64_t head = 0; head < heads; ++head) {
      E* first = x + head * head_dim;
      E* second = first + half;
      for (int64_t i = 0; i < full; i += kLanes) {
        const Vec a = load(first + i), b = load(second + i), co = load(c + i), si = load(s + i) * sign;
        store(first + i, a * co - b * si);
        store(second + i, b * co + a * si);
      }
      if (rest) {
        const Vec a = load_part(first + full, rest), b = load_part(second + full, rest);
        const Vec co = load_part(c + full, rest), si = load_part(s + full, rest) * sign;
        store_part(first + full, a * co - b * si, rest);
        store_part(second + full, b * co + a * si, rest);
      }
    }
  }
}

template <class E>
void add_to(float* out, const E* in, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, load(out + i) + load(in + i));
  for (; i < count; ++i) out[i] += to_float(in[i]);
}

template <class E>
void narrow(const float* in, E* out, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, load(in + i));
  if (i < count) store_part(out + i, load_part(in + i, count - i), count - i);
}

inline float row_maximum(const float* logits, int64_t count) {
  const int64_t full = count / kLanes * kLanes;
  float max = logits[0];
  if (full) {
    Vec lanes = load(logits);
    for (int64_t i = kLanes; i < full; i += kLanes) lanes = maximum(lanes, load(logits + i));
    max = reduce_max(lanes);
  }
  for (int64_t i = full; i < count; ++i) max = max > logits[i] ? max : logits[i];
  return max;
}

// Sum of e^(logit - max); kSave keeps the exponentials in place of the logits.
template <bool kSave>
float exponential_sum(const float* logits, float* saved, int64_t count, float max) {
  const int64_t full = count / kLanes * kLanes;
  Vec sums = {};
  for (int64_t i = 0; i < full; i += kLanes) {
    const Vec e = exp(load(logits + i) - max);
    if (kSave) store(saved + i, e);
    sums += e;
  }
  if (full < count) {
    const Vec e = exp(load_part(logits + full, count - full) - max);
    float tail[kLanes];
    store(tail, e);
    for (int64_t i = full; i < count; ++i) {
      sums[0] += tail[i - full];
      if (kSave) saved[i] = tail[i - full];
    }
  }
  return reduce_add(sums);
}

void softmax_statistics(const float* logits, int64_t count, float* max, float* sum) {
  *max = row_maximum(logits, count);
  *sum = exponential_sum<false>(logits, nullptr, count, *max);
}

void softmax_scaled(float* logits, int64_t count, float lse, float coefficient) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(logits + i, exp(load(logits + i) - lse) * coefficient);
  if (i < count) store_part(logits + i, exp(load_part(logits + i, count - i) - lse) * coefficient, count - i);
}

float softmax_in_place(float* logits, int64_t count, float coefficient) {
  const float max = row_maximum(logits, count);
  const float sum = exponential_sum<true>(logits, logits, count, max);
  const float factor = coefficient / sum;
  for (int64_t i = 0; i < count; ++i) logits[i] *= factor;
  return max + __builtin_logf(sum);
}

void adamw(float* __restrict master, float* __restrict m, float* __restrict v, const float* __restrict grad,
           int64_t count, const AdamWValues& values) {
  const AdamWValues s = values;
  for (int64_t i = 0; i < count; ++i) {
    const float g = grad[i] * s.scale;
    const float first = m[i] + (g - m[i]) * (1.0f - s.beta1);
    const float second = v[i] * s.beta2 + g * g * (1.0f - s.beta2);
    m[i] = first;
    v[i] = second;
    const float update = (first / s.correction1) / (__builtin_sqrtf(second / s.correction2) + s.eps);
    master[i] -= s.lr * (update + s.decay * master[i]);
  }
}

// Sixteen running sums whatever the instruction set, joined by a fixed tree: squares of fp32 are exact in fp64.
double sum_of_squares(const float* values, int64_t count) {
  double sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int j = 0; j < 16; ++j) sums[j] += static_cast<double>(values[i + j]) * static_cast<double>(values[i + j]);
  }
  for (; i < count; ++i) sums[i % 16] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
  }
  return sums[0];
}

}  // namespace
}  // namespace plumb::ops::cpu
