// The registry of named state that a checkpoint stores: tensors addressed by (canonical name, role, global shape, flat
// range of the row-major tensor) and small JSON values.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace plumb::engine {

struct StatePart {
  std::string name;            // canonical parameter name
  std::string role;            // "weight", "adamw.m", "adamw.v"
  std::vector<int64_t> shape;  // global
  int64_t begin = 0, end = 0;  // flat range owned by this rank; data.numel() == end - begin
  at::Tensor data;             // 1-D contiguous fp32 view into the live state, on the engine's device
  std::string key() const { return role == "weight" ? name : role + "/" + name; }
};

struct StateRegistry {
  std::vector<StatePart> parts;   // each element of each global tensor is owned by exactly one rank of the shard group
  nlohmann::ordered_json values;  // step counters, precision state, loader state, ...: equal on all ranks
  // Called after a load has filled `parts`: compute copies are rebuilt from the master values.
  std::function<void()> after_load;
};

}  // namespace plumb::engine
