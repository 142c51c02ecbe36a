// Ranks as threads of one process: logic tests need no mpirun, and sanitizers and debuggers work.
#pragma once

#include "parallel/communicator.h"

namespace plumb::parallel {

struct ThreadOptions {
  // As if the ranks did not see each other's tensors: everything passes through staging areas of this many bytes
  // (a multiple of 64 x ranks). 0: tensors are read where they are. For tests of that way.
  int64_t staging_bytes = 0;
};

// One communicator for each of `ranks` threads. Which thread calls is never asked: rank identity is in the object.
std::vector<CommunicatorPtr> make_thread_communicators(int ranks, ThreadOptions options = {});

}  // namespace plumb::parallel
