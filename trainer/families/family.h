// What Hugging Face calls a model and its weights <-> ModelSpec and canonical names. One small file a family; the rest
// of the house knows only this table.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/model/spec.h"

namespace plumb::families {

struct Family {
  std::string name;          // ModelSpec::family and config.json "model_type"
  std::string architecture;  // config.json "architectures"
  // config.json -> spec; everything that would change the result and is not built is refused by name.
  model::ModelSpec (*read_config)(const nlohmann::ordered_json& config, const std::string& where);
  // The family's part of config.json, both spellings of RoPE in it.
  nlohmann::ordered_json (*write_config)(const model::ModelSpec&);
  // Canonical name -> Hugging Face name of the same tensor in the same layout.
  std::string (*hugging_face_name)(const std::string& canonical);
  // Buffers that old checkpoints store and nobody needs.
  bool (*ignored)(std::string_view hugging_face_name);
};

const std::vector<Family>& families();
const Family& family_of(const std::string& name, const std::string& where);  // Error(bad_input) with the list

// One tensor of a checkpoint folder. The set follows from the spec alone.
struct NamedTensor {
  std::string canonical, hugging_face;
  std::vector<int64_t> shape;
};
std::vector<NamedTensor> tensors(const model::ModelSpec&);

Family llama();

}  // namespace plumb::families
