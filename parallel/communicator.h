// Ranks that exchange tensors. Implementations: one, threads, mpi, nccl (parallel/*_communicator.h).
//
// Every call is collective over the communicator's ranks unless it says otherwise, is made by all ranks in the same
// order, and states what has finished when it returns. Tensors are contiguous, on the communicator's device.
// A violated precondition throws Error(internal) before anything is sent.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plumb::parallel {

enum class Sum { sum, max };

// dtypes of one reduction: `wire` is what travels (fp32, bf16 or the tensor's own dtype: every rank's values are
// rounded to it first), `sum` (fp32 or fp64) what is added in, in the order of ranks on CPUs. The result has the
// tensor's own dtype. fp64 and integer tensors travel and are added in their own dtype, whatever stands here. One rank:
// nothing changes.
struct ReduceOptions {
  Sum op = Sum::sum;
  at::ScalarType wire = at::kFloat;
  at::ScalarType sum = at::kFloat;
};

// Handle of an operation that may still run. The tensors named in the call stay untouched until wait() has returned
// (CPU: the operation is complete; CUDA: the current stream waits for it, the host does not).
class Pending {
 public:
  virtual ~Pending() = default;
  virtual void wait() = 0;
};
using PendingPtr = std::unique_ptr<Pending>;

// One part of a grouped exchange; `peer` is a rank of this communicator.
struct Transfer {
  int peer = 0;
  at::Tensor tensor;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual at::Device device() const = 0;
  virtual std::string name() const = 0;  // "one", "threads", "mpi", "nccl"
  virtual std::string host(int rank) const = 0;

  // Memory for buckets and slots: page-aligned, zeroed; windows and registered memory need no rewrite of the callers.
  // Local call for `one` and `nccl`; collective (same bytes on all ranks) for the others.
  // The memory outlives the communicator while a tensor refers to it.
  virtual at::Tensor allocate(int64_t bytes) = 0;  // uint8 [bytes]

  // In place; on return (blocking forms) every rank holds the same bits.
  virtual void all_reduce(at::Tensor tensor, ReduceOptions options = {}) = 0;
  // input [size * n] -> output [n]: rank r gets the sum of all r-th parts. output may be the r-th part of input.
  virtual PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options = {}) = 0;
  // input [n] -> output [size * n]; input may be the rank's own part of output.
  virtual PendingPtr all_gather(at::Tensor output, at::Tensor input) = 0;
  virtual void broadcast(at::Tensor tensor, int root) = 0;
  // counts in elements, one per rank; sum(send_counts) == input.numel(), sum(receive_counts) == output.numel().
  virtual void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                          const std::vector<int64_t>& send_counts) = 0;
  // Not collective: the named pairs take part. All transfers progress together, so no order can deadlock.
  virtual PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) = 0;
  virtual void barrier() = 0;

  // Ranks with equal color form a new communicator, ordered by key then rank. color < 0: no part in it, returns null.
  virtual std::shared_ptr<Communicator> split(int color, int key) = 0;

  // Ends every rank of the job with `code`; not collective, does not return. `threads` instead makes every pending and
  // later call of all ranks throw Error(code), so that tests can watch it.
  virtual void abort(int code, const std::string& why) = 0;

  // For a watchdog; both are safe from any thread and never block.
  // Ranks that have not arrived where this one waits, in words; empty when that cannot be known.
  virtual std::string missing() const { return ""; }
  // An error that an operation met after its call had returned (nccl); empty when there is none.
  virtual std::string fault() const { return ""; }
  // The oldest operation that was started and has not ended on the device (nccl); none on CPUs.
  struct Running {
    std::string operation;
    double seconds = 0;
  };
  virtual std::optional<Running> running() { return std::nullopt; }
};

using CommunicatorPtr = std::shared_ptr<Communicator>;

// ---- small helpers on top, any implementation (parallel/collectives.cpp) ----
double all_reduce_value(Communicator&, double value, Sum op = Sum::sum);  // fp64
int64_t all_reduce_value(Communicator&, int64_t value, Sum op = Sum::sum);
std::string broadcast_string(Communicator&, std::string value, int root = 0);      // any length
std::vector<std::string> gather_strings(Communicator&, const std::string& value);  // index = rank, on all ranks

}  // namespace plumb::parallel
