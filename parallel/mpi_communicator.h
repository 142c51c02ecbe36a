// CPU tensors between the processes of mpirun. Ranks of one host read and write each other's memory through shared
// windows; ranks of several hosts send pieces and add them themselves. Both give the bits of ((r0 + r1) + r2) + ...
#pragma once

#include <mpi.h>

#include "parallel/communicator.h"

namespace plumb::parallel {

struct MpiOptions {
  bool shared_memory = true;                 // false: as if every rank stood on a host of its own (tests)
  int64_t staging_bytes = int64_t{4} << 20;  // per rank, for tensors that are in no window
  int64_t message_bytes = int64_t{1} << 30;  // MPI counts are int: larger messages go in pieces
  int64_t chunk_bytes = int64_t{16} << 20;   // scratch of a reduction between hosts
};

// Collective over `comm`, which is copied. MPI must have started.
CommunicatorPtr make_mpi(MPI_Comm comm, const MpiOptions& options = {});

}  // namespace plumb::parallel
