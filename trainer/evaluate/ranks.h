// Spreading work over data ranks so that every rank ends with the same numbers.
#pragma once

#include <vector>

#include "parallel/communicator.h"

namespace plumb::evaluate {

// Element-wise sum. Each element is given by one rank and zero on the others, so that the result is exact.
void sum_over_ranks(parallel::Communicator&, std::vector<double>& values);

}  // namespace plumb::evaluate
