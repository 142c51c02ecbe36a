// ModelSpec and LoraSpec as JSON: what a checkpoint says about its tensors.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "trainer/model/spec.h"

namespace plumb::families {

nlohmann::ordered_json to_json(const model::ModelSpec&);
nlohmann::ordered_json to_json(const model::LoraSpec&);
// Error(bad_input) naming `where` and the key; the result is validated.
model::ModelSpec model_spec_from_json(const nlohmann::ordered_json&, const std::string& where);
model::LoraSpec lora_spec_from_json(const nlohmann::ordered_json&, const std::string& where);

}  // namespace plumb::families
