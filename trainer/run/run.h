// `plumb train` and `plumb tune`: one loop with the same keys, from the file to the exit code.
#pragma once

#include <string>
#include <vector>

#include "core/config/load.h"

namespace plumb::run {

struct Request {
  std::string file;
  std::vector<std::string> overrides;
  config::Purpose purpose = config::Purpose::train;
  bool dry_run = false;    // opens data and base, prints plan, memory and the first batch, starts nothing
  int64_t show_masks = 0;  // prints so many samples with what is trained marked, starts nothing
};

// Runs under mpirun or alone; returns the exit code that all ranks agree on. Errors are printed by rank 0, or by the
// rank that alone has trouble, which then ends the job.
int run(const Request&);

}  // namespace plumb::run
