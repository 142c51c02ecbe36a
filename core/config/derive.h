// Used by cross_rules.cpp only.
#pragma once

#include "core/config/cross_rules.h"

namespace plumb::config {

bool is_tuning(const Config&, Purpose);
void derive(Reading& reading, const std::filesystem::path& base_folder, Purpose purpose, Derived& derived,
            Problems& problems);

}  // namespace plumb::config
