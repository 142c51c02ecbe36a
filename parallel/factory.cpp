#include "parallel/factory.h"

#include "core/error.h"
#include "parallel/mpi_communicator.h"
#include "parallel/nccl_communicator.h"
#include "parallel/one_communicator.h"
#include "parallel/threads_communicator.h"
#include "parallel/watch.h"

namespace plumb::parallel {
namespace {

constexpr const char* kWhere = "parallel.communicator";

CommunicatorPtr make_bare_world(const std::string& kind, at::Device device) {
  const LaunchInfo info = launch_info();
  const bool gpu = device.is_cuda();
  const bool automatic = kind == "auto";
  if (kind == "one" || kind == "threads") {
    if (info.size > 1) {
      fail_input(kWhere, "\"" + kind + "\" is one process, and mpirun started " + std::to_string(info.size),
                 "use auto, or start plumb without mpirun");
    }
    return kind == "one" ? make_one(device, info.host) : make_thread_communicators(1).front();
  }
  if (kind == "nccl" || (automatic && gpu && info.size > 1)) {
    if (!gpu) fail_input(kWhere, "nccl exchanges memory of GPUs, and parallel.device is cpu", "use mpi or auto");
    return make_nccl(device, info);
  }
  if (kind != "mpi" && !automatic) {
    fail_input(kWhere, "expected auto, nccl, mpi, threads or one, found \"" + kind + "\"");
  }
  if (kind == "mpi" && gpu) {
    fail_input(kWhere, "mpi exchanges memory of the CPU, and parallel.device is cuda", "use nccl or auto");
  }
  if (info.size == 1 || !ensure_mpi()) return make_one(device, info.host);
  return make_mpi(MPI_COMM_WORLD);
}

}  // namespace

CommunicatorPtr make_world(const std::string& kind, at::Device device, double timeout_seconds) {
  auto world = make_bare_world(kind, device);
  if (!(timeout_seconds > 0) || world->size() == 1) return world;
  return watch(std::move(world), {timeout_seconds, {}});
}

}  // namespace plumb::parallel
