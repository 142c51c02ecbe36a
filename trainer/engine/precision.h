// One object says which dtype each role uses. Named extra state (fp8 scales, later) is checkpointed through it.
#pragma once
#include <c10/core/ScalarType.h>

#include <string>

namespace plumb::engine {

enum class Role { embedding, block_linear, attention, head };

struct RolePrecision {
  c10::ScalarType parameter = c10::ScalarType::Float;  // master
  c10::ScalarType compute = c10::ScalarType::Float;
  c10::ScalarType gradient = c10::ScalarType::Float;  // accumulation slots
  c10::ScalarType wire = c10::ScalarType::Float;
};

class Precision {
 public:
  static Precision make(const std::string& name);  // "fp32" or "bf16", resolved from auto by the caller
  const RolePrecision& of(Role) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  RolePrecision roles_[4];
};

}  // namespace plumb::engine
