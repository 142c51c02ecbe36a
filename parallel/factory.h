// The communicator of all processes of the job.
#pragma once

#include <string>

#include "parallel/communicator.h"
#include "parallel/mpi_session.h"

namespace plumb::parallel {

// kind: auto, nccl, mpi, threads or one (parallel.communicator). auto is nccl on a GPU and mpi otherwise; a process
// that no launcher started is `one`. threads stands for ranks inside one process: here it is a group of one thread
// (make_thread_communicators gives more). Collective. Watched with `timeout_seconds`; 0 = not watched.
// Error(bad_input): an unknown kind, a kind that cannot span the processes that mpirun started, nccl without a GPU.
CommunicatorPtr make_world(const std::string& kind, at::Device device, double timeout_seconds);

}  // namespace plumb::parallel
