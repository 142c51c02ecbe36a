// Work that may fail on one rank, answered alike by all.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "parallel/communicator.h"

namespace plumb::checkpoint {

// Collective. Each rank runs `work`; the results of all ranks, or, when it threw on any, the Error of the lowest such
// rank on every rank.
std::vector<std::string> agree(parallel::Communicator& ranks, const std::function<std::string()>& work);

}  // namespace plumb::checkpoint
