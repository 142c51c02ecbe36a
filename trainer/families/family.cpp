#include "trainer/families/family.h"

#include "core/error.h"

namespace plumb::families {

const std::vector<Family>& families() {
  static const std::vector<Family> table{llama()};
  return table;
}

const Family& family_of(const std::string& name, const std::string& where) {
  std::string known;
  for (const auto& family : families()) {
    if (family.name == name) return family;
    known += (known.empty() ? "" : ", ") + family.name;
  }
  fail_input(where, "the model family \"" + name + "\" is not supported", "supported: " + known);
}

std::vector<NamedTensor> tensors(const model::ModelSpec& spec) {
  const Family& family = family_of(spec.family, "model");
  std::vector<NamedTensor> out;
  for (const auto& parameter : model::parameters(spec)) {
    out.push_back({parameter.name, family.hugging_face_name(parameter.name), parameter.shape});
  }
  return out;
}

}  // namespace plumb::families
