// What a checkpoint says of itself beside its tensors: enough to evaluate, generate and export without the YAML.
#pragma once

#include "trainer/run/training.h"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace plumb::run {

nlohmann::ordered_json about(const Context&);

// Sets with `during: true`, at eval.every. Keys "name.metric".
std::map<std::string, double> evaluate_sets_during(Context&);

}  // namespace plumb::run
