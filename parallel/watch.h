// A communicator that notices when a call takes too long or fails, says which rank, host, step and operation it was,
// and ends the job. A hang without a name costs its user days.
#pragma once

#include <functional>

#include "parallel/communicator.h"

namespace plumb::parallel {

struct WatchOptions {
  double timeout_seconds = 600;
  // Also told what has happened, before the job ends; may be empty.
  std::function<void(const std::string&)> report;
};

// Does what `inner` does. A call that waits longer than the timeout ends the job with code 4:
//   rank 3 (host x) has waited 600 s in reduce_scatter of step 120: another rank is stuck or gone (not there: rank 1)
// A call that throws ends it with the code of its Error. Communicators split from it are watched too. With `threads`
// the end of the job is an Error in every call of all ranks.
CommunicatorPtr watch(CommunicatorPtr inner, WatchOptions options = {});

// The step that messages name, for this communicator and all split from the same watched one. No-op on unwatched ones.
void set_step(Communicator& communicator, int64_t step);

}  // namespace plumb::parallel
