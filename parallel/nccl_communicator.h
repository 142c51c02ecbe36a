// CUDA tensors between GPUs through NCCL. MPI only carries the unique id at the start.
#pragma once

#include "parallel/communicator.h"
#include "parallel/mpi_session.h"

namespace plumb::parallel {

// Collective over all processes. Without CUDA in the build, or without a GPU: Error(bad_input) with what helps.
CommunicatorPtr make_nccl(at::Device device, const LaunchInfo& launch);

}  // namespace plumb::parallel
