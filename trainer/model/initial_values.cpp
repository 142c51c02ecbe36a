#include "trainer/model/initial_values.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/hash.h"
#include "core/philox.h"

namespace plumb::model {

namespace {

// One Philox block gives four numbers: elements 4 i .. 4 i + 3.
struct Quad {
  float value[4];
};

// Box-Muller: two uniform numbers become two independent normal ones.
Quad normal_quad(const core::Philox4& bits, double deviation) {
  Quad quad;
  for (int pair = 0; pair < 2; ++pair) {
    const double radius = std::sqrt(-2.0 * std::log(static_cast<double>(core::uniform01(bits.x[2 * pair]))));
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(core::uniform01(bits.x[2 * pair + 1]));
    quad.value[2 * pair] = static_cast<float>(deviation * radius * std::cos(angle));
    quad.value[2 * pair + 1] = static_cast<float>(deviation * radius * std::sin(angle));
  }
  return quad;
}

Quad uniform_quad(const core::Philox4& bits, double bound) {
  Quad quad;
  for (int i = 0; i < 4; ++i) {
    quad.value[i] = static_cast<float>(bound * (2.0 * static_cast<double>(core::uniform01(bits.x[i])) - 1.0));
  }
  return quad;
}

}  // namespace

void initial_values(const ParameterInfo& parameter, const ModelSpec& spec, uint64_t seed, int64_t begin,
                    std::span<float> out) {
  using Init = ParameterInfo::Init;
  if (parameter.init == Init::ones || parameter.init == Init::zeros) {
    std::fill(out.begin(), out.end(), parameter.init == Init::ones ? 1.0f : 0.0f);
    return;
  }
  const bool normal = parameter.init != Init::kaiming_uniform;
  double deviation = spec.initializer_range;
  if (parameter.init == Init::normal_scaled_residual) {
    deviation /= std::sqrt(2.0 * static_cast<double>(spec.num_hidden_layers));
  }
  // kaiming_uniform with a = sqrt(5), as PEFT starts A: U(-1/sqrt(in), 1/sqrt(in)).
  const double bound = normal ? 0 : 1.0 / std::sqrt(static_cast<double>(parameter.shape.back()));
  const uint64_t key =
      core::random_key(seed, normal ? core::RandomPurpose::initial_value : core::RandomPurpose::lora_init);
  const uint64_t name = core::xxh3(parameter.name);
  const int64_t end = begin + static_cast<int64_t>(out.size());
  for (int64_t quad = begin / 4; quad * 4 < end; ++quad) {
    const core::Philox4 bits = core::philox(key, static_cast<uint64_t>(quad), name);
    const Quad values = normal ? normal_quad(bits, deviation) : uniform_quad(bits, bound);
    for (int64_t e = std::max(begin, quad * 4); e < std::min(end, quad * 4 + 4); ++e) {
      out[static_cast<size_t>(e - begin)] = values.value[e - quad * 4];
    }
  }
}

}  // namespace plumb::model
