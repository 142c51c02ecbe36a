// What a checkpoint says of itself beside its tensors: enough to evaluate, generate and export without the YAML.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "trainer/run/training.h"

namespace plumb::run {

nlohmann::ordered_json about(const Context&);

// Sets with `during: true`, at eval.every. Keys "name.metric".
std::map<std::string, double> evaluate_sets_during(Context&);

}  // namespace plumb::run
