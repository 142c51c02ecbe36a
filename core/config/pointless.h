// Keys without effect under the rest of the configuration: an error when they are written, left out when it is saved.
#pragma once

#include <vector>

#include "core/config/config.h"

namespace plumb::config {

// `address` is the key or its group, `because` the key that takes the effect away.
struct Pointless {
  const char* address;
  const char* because;
  bool (*holds)(const Config&);
  const char* reason;
  const char* hint;
};

const std::vector<Pointless>& pointless_rules();  // all of them

// Of data.dataset with neither replay, validation nor vocabulary sources beside it, which data rules would hold for.
bool nothing_is_built(const Config& config);

std::vector<Pointless> pointless_clean();    // those of data.clean
std::vector<Pointless> pointless_dataset();  // those that only a build reads, beside data.dataset
Pointless pointless_objects();               // data.object_cache without a path in a store

}  // namespace plumb::config
