// What decides how a Cleaner answers, as JSON: settings in effect, built-in lists, library versions.
#pragma once

#include <nlohmann/json.hpp>

#include "core/config/clean.h"

namespace plumb::data {

nlohmann::ordered_json clean_identity(const config::CleanSection&);

}  // namespace plumb::data
