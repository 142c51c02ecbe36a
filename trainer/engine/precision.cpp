#include "trainer/engine/precision.h"

#include "core/error.h"

namespace plumb::engine {

Precision Precision::make(const std::string& name) {
  Precision precision;
  precision.name_ = name;
  if (name == "fp32") return precision;  // the defaults of RolePrecision
  if (name != "bf16") {
    fail_input("train.precision", "unknown precision \"" + name + "\"", "expected fp32 or bf16");
  }
  // Master, accumulation and wire stay fp32: sums of many small numbers do not survive eight bits.
  for (RolePrecision& role : precision.roles_) role.compute = c10::ScalarType::BFloat16;
  return precision;
}

const RolePrecision& Precision::of(Role role) const { return roles_[static_cast<int>(role)]; }

}  // namespace plumb::engine
