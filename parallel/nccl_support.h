// A NCCL communicator with its own stream, and one call on it. Only for the CUDA build.
#pragma once

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "parallel/communicator.h"

namespace plumb::parallel {

void check_cuda(cudaError_t code, const char* operation);
void check_nccl(ncclResult_t code, const char* operation);  // ncclInProgress is not an error
ncclDataType_t nccl_type(at::ScalarType dtype);
ncclRedOp_t nccl_op(Sum op);

// Shared by a communicator and its pending operations. The communicator is non-blocking: calls return at once and
// errors come through ncclCommGetAsyncError, so that a dead peer never leaves the host inside NCCL.
struct NcclGroup {
  static std::shared_ptr<NcclGroup> make(const ncclUniqueId& id, int rank, int size, at::Device device);
  std::shared_ptr<NcclGroup> split(int color, int key, int new_rank, int new_size);  // null: no part in it
  NcclGroup(ncclComm_t nccl_comm, int own_rank, int ranks, at::Device on);
  ~NcclGroup();
  NcclGroup(const NcclGroup&) = delete;

  // Waits until what was started on the host has been accepted; Error(rank_failed) on a fault or after `seconds`.
  static void settle(ncclComm_t comm, const char* operation, double seconds = 600);
  std::string fault() const;
  std::optional<std::pair<std::string, double>> oldest();  // operation on the device, seconds since its call
  void synchronize();                                      // host waits for all operations; a fault throws

  struct InFlight {
    std::string operation;
    cudaEvent_t event;
    std::chrono::steady_clock::time_point start;
  };

  ncclComm_t comm;
  int rank, size;
  at::Device device;
  c10::cuda::CUDAStream stream;
  std::mutex mutex;  // guards what follows
  std::deque<InFlight> in_flight;
};

// One operation: its stream waits for what the current stream has done so far.
class NcclCall {
 public:
  NcclCall(std::shared_ptr<NcclGroup> group, const char* operation);
  cudaStream_t stream() const { return group_->stream.stream(); }
  void check(ncclResult_t code) const { check_nccl(code, operation_); }
  // All is started. wait() makes the then current stream wait for it; `kept` live until then.
  PendingPtr end(std::vector<at::Tensor> kept);

 private:
  std::shared_ptr<NcclGroup> group_;
  const char* operation_;
};

}  // namespace plumb::parallel
