// The two ways of the mpi communicator, and its split. Callers use parallel/mpi_communicator.h.
#pragma once

#include "parallel/mpi_communicator.h"

namespace plumb::parallel {

// All ranks of `comm` on one host. Null (on all ranks) where shared memory is too small even for the staging areas.
CommunicatorPtr make_mpi_shared(MPI_Comm comm, const MpiOptions& options);
// Any hosts; messages only.
CommunicatorPtr make_mpi_network(MPI_Comm comm, const MpiOptions& options);
CommunicatorPtr split_mpi(MPI_Comm comm, int color, int key, const MpiOptions& options);

}  // namespace plumb::parallel
