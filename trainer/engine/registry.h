// Values in and out of the live state: initialisation, loading, whole tensors, and the registry for checkpoints.
#pragma once

#include "trainer/engine/model_state.h"

namespace plumb::engine {

// Gives elements [begin, begin + out.size()) of a parameter.
using ValueReader = std::function<void(const parallel::BucketEntry&, int64_t begin, std::span<float> out)>;

// Fills the parameters for which `wanted` holds; every rank reads what it stores. Collective.
void fill_parameters(ModelState& state, const std::function<bool(const std::string&)>& wanted, const ValueReader& read);

// Whole fp32 values on the CPU; collective over the shard group.
at::Tensor whole_parameter(ModelState& state, const std::string& name);
at::Tensor whole_gradient(ModelState& state, const std::string& name);

// Weights and moments of what is trained: each element belongs to exactly one rank of the shard group.
std::vector<StatePart> state_parts(ModelState& state);
// After the parts were written from outside: what other ranks or other copies hold follows. Collective.
void spread_state(ModelState& state);

}  // namespace plumb::engine
