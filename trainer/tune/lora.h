// LoRA (arXiv 2106.09685) as method.lora asks for it.
#pragma once

#include <optional>

#include "core/config/config.h"
#include "trainer/model/spec.h"

namespace plumb::tune {

// Absent when method.adapter is not lora. `all_linear` becomes the seven projections of a block; a target that matches
// no matrix is Error(bad_input).
std::optional<model::LoraSpec> lora_from_config(const config::MethodSection&);

}  // namespace plumb::tune
