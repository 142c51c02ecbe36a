// section.key=value on the command line, applied to the tree of the file before it is read.
#pragma once

#include <map>
#include <string>

#include "core/config/node.h"

namespace plumb::config {

struct Overridden {
  std::map<std::string, std::string> taken_out;  // address -> "2 (llama-1b.yaml:16)", after key=default
};

Overridden apply_overrides(Node& root, Problems& problems);

}  // namespace plumb::config
