#include "core/error.h"
#include "parallel/nccl_communicator.h"

namespace plumb::parallel {

CommunicatorPtr make_nccl(at::Device, const LaunchInfo&) {
  fail_input("parallel.communicator", "nccl is not in this build of plumb: it was built without CUDA",
             "use mpi or auto; or build on a machine with a CUDA toolkit: scripts/setup --full, then build again");
}

}  // namespace plumb::parallel
