#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "parallel/nccl_support.h"

namespace plumb::parallel {
namespace {

// An event without timing: recording and waiting cost no host synchronisation.
cudaEvent_t record(cudaStream_t stream, const char* operation) {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), operation);
  check_cuda(cudaEventRecord(event, stream), operation);
  return event;
}

class NcclPending : public Pending {
 public:
  NcclPending(std::shared_ptr<NcclGroup> group, cudaEvent_t event, std::vector<at::Tensor> kept)
      : group_(std::move(group)), event_(event), kept_(std::move(kept)) {}
  ~NcclPending() override {
    // The tensors go back to the allocator's current stream: it must not run ahead of the operation.
    if (event_ != nullptr) finish();
  }
  void wait() override {
    if (event_ == nullptr) return;
    check_cuda(finish(), "wait");
  }

 private:
  cudaError_t finish() {
    const cudaStream_t current = c10::cuda::getCurrentCUDAStream(group_->device.index()).stream();
    const cudaError_t code = cudaStreamWaitEvent(current, event_, 0);
    cudaEventDestroy(event_);
    event_ = nullptr;
    kept_.clear();
    return code;
  }

  std::shared_ptr<NcclGroup> group_;
  cudaEvent_t event_;
  std::vector<at::Tensor> kept_;
};

ncclConfig_t non_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

}  // namespace

void check_cuda(cudaError_t code, const char* operation) {
  if (code == cudaSuccess) return;
  throw Error(code == cudaErrorMemoryAllocation ? ExitCode::out_of_resources : ExitCode::rank_failed,
              std::string("CUDA failed in ") + operation + ": " + cudaGetErrorString(code));
}

void check_nccl(ncclResult_t code, const char* operation) {
  if (code == ncclSuccess || code == ncclInProgress) return;
  throw Error(ExitCode::rank_failed, std::string("NCCL failed in ") + operation + ": " + ncclGetErrorString(code), "",
              "NCCL_DEBUG=INFO in the environment makes NCCL say more");
}

ncclDataType_t nccl_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kHalf:
      return ncclFloat16;
    case at::kLong:
      return ncclInt64;
    case at::kInt:
      return ncclInt32;
    case at::kByte:
      return ncclUint8;
    default:
      fail_internal(std::string("no reduction for tensors of ") + c10::toString(dtype));
  }
}

ncclRedOp_t nccl_op(Sum op) { return op == Sum::sum ? ncclSum : ncclMax; }

void NcclGroup::settle(ncclComm_t comm, const char* operation, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  ncclResult_t state = ncclInProgress;
  while (true) {
    check_nccl(ncclCommGetAsyncError(comm, &state), operation);
    if (state != ncclInProgress) break;
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    if (waited.count() > seconds) {
      throw Error(ExitCode::rank_failed,
                  std::string("NCCL does not end ") + operation + ": another rank is stuck or gone");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(waited.count() < 0.01 ? 0 : 200));
  }
  check_nccl(state, operation);
}

std::shared_ptr<NcclGroup> NcclGroup::make(const ncclUniqueId& id, int rank, int size, at::Device device) {
  ncclConfig_t config = non_blocking();
  ncclComm_t comm = nullptr;
  check_nccl(ncclCommInitRankConfig(&comm, size, id, rank, &config), "start of nccl");
  settle(comm, "start of nccl");
  return std::make_shared<NcclGroup>(comm, rank, size, device);
}

std::shared_ptr<NcclGroup> NcclGroup::split(int color, int key, int new_rank, int new_size) {
  ncclConfig_t config = non_blocking();
  ncclComm_t part = nullptr;
  const c10::cuda::CUDAGuard guard(device);
  check_nccl(ncclCommSplit(comm, color < 0 ? NCCL_SPLIT_NOCOLOR : color, key, &part, &config), "split");
  settle(comm, "split");
  if (part == nullptr || color < 0) return nullptr;
  settle(part, "split");
  return std::make_shared<NcclGroup>(part, new_rank, new_size, device);
}

NcclGroup::NcclGroup(ncclComm_t nccl_comm, int own_rank, int ranks, at::Device on)
    : comm(nccl_comm),
      rank(own_rank),
      size(ranks),
      device(on),
      stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, on.index())) {}

NcclGroup::~NcclGroup() {
  for (InFlight& item : in_flight) cudaEventDestroy(item.event);
  // Finalize can hang when a peer is gone: it is given a while, then the communicator is torn down.
  bool ended = ncclCommFinalize(comm) != ncclInvalidArgument;
  ncclResult_t state = ncclInProgress;
  for (int turn = 0; ended && turn < 2000; ++turn) {
    if (ncclCommGetAsyncError(comm, &state) != ncclSuccess || state != ncclInProgress) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ended = ended && state == ncclSuccess;
  if (ended) {
    ncclCommDestroy(comm);
  } else {
    ncclCommAbort(comm);
  }
}

std::string NcclGroup::fault() const {
  ncclResult_t state = ncclSuccess;
  if (ncclCommGetAsyncError(comm, &state) != ncclSuccess) return "NCCL does not answer";
  if (state == ncclSuccess || state == ncclInProgress) return "";
  return std::string("NCCL: ") + ncclGetErrorString(state);
}

std::optional<std::pair<std::string, double>> NcclGroup::oldest() {
  const std::lock_guard lock(mutex);
  while (!in_flight.empty() && cudaEventQuery(in_flight.front().event) != cudaErrorNotReady) {
    cudaEventDestroy(in_flight.front().event);
    in_flight.pop_front();
  }
  if (in_flight.empty()) return std::nullopt;
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - in_flight.front().start;
  return std::make_pair(in_flight.front().operation, age.count());
}

void NcclGroup::synchronize() {
  while (cudaStreamQuery(stream.stream()) == cudaErrorNotReady) {
    if (const std::string problem = fault(); !problem.empty()) throw Error(ExitCode::rank_failed, problem);
    std::this_thread::yield();
  }
  check_cuda(cudaStreamQuery(stream.stream()), "barrier");
}

NcclCall::NcclCall(std::shared_ptr<NcclGroup> group, const char* operation)
    : group_(std::move(group)), operation_(operation) {
  const c10::cuda::CUDAGuard guard(group_->device);
  cudaEvent_t before = record(c10::cuda::getCurrentCUDAStream(group_->device.index()).stream(), operation);
  const cudaError_t code = cudaStreamWaitEvent(group_->stream.stream(), before, 0);
  cudaEventDestroy(before);  // released by CUDA once it has been passed
  check_cuda(code, operation);
}

PendingPtr NcclCall::end(std::vector<at::Tensor> kept) {
  const c10::cuda::CUDAGuard guard(group_->device);
  NcclGroup::settle(group_->comm, operation_);
  const cudaEvent_t after = record(group_->stream.stream(), operation_);
  const cudaEvent_t watched = record(group_->stream.stream(), operation_);
  {
    const std::lock_guard lock(group_->mutex);
    group_->in_flight.push_back({operation_, watched, std::chrono::steady_clock::now()});
    // Without a watchdog nobody else takes out what has ended.
    while (group_->in_flight.size() > 1 && cudaEventQuery(group_->in_flight.front().event) == cudaSuccess) {
      cudaEventDestroy(group_->in_flight.front().event);
      group_->in_flight.pop_front();
    }
  }
  return std::make_unique<NcclPending>(group_, after, std::move(kept));
}

}  // namespace plumb::parallel
