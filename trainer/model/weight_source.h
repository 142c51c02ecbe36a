// Where weights come from: a plumb checkpoint, a Hugging Face folder, or a seed. Canonical names only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace plumb::model {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual bool has(const std::string& name) const = 0;
  // Fills `out` with elements [begin, begin + out.size()) of the row-major tensor, converted to fp32.
  // Throws Error(bad_input) when the name is missing or `shape` differs from what is stored.
  virtual void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                    std::span<float> out) const = 0;
  virtual std::string digest() const = 0;  // identifies the base in adapter checkpoints and manifests
};

}  // namespace plumb::model
