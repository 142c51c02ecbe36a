// Initial values as a function of (seed, canonical name, element): the same on any mesh, in any order, in any part.
#pragma once

#include <cstdint>
#include <span>

#include "trainer/model/spec.h"

namespace plumb::model {

// Fills `out` with elements [begin, begin + out.size()) of the row-major parameter.
void initial_values(const ParameterInfo& parameter, const ModelSpec& spec, uint64_t seed, int64_t begin,
                    std::span<float> out);

}  // namespace plumb::model
