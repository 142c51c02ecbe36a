// A world of one rank: nothing travels, every call is a copy at most.
#pragma once

#include "parallel/communicator.h"

namespace plumb::parallel {

// Any device. Exchanges with itself work, as between two ranks.
CommunicatorPtr make_one(at::Device device, std::string host);

}  // namespace plumb::parallel
