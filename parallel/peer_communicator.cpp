#include "parallel/peer_communicator.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/reduce_kernels.h"

namespace plumb::parallel {
namespace {

int64_t encode(const ReduceOptions& options) {
  return static_cast<int64_t>(options.op) | static_cast<int64_t>(options.wire) << 8 |
         static_cast<int64_t>(options.sum) << 16;
}

void copy_bytes(std::byte* output, const std::byte* input, int64_t bytes) {
  if (output != input && bytes > 0) std::memcpy(output, input, static_cast<size_t>(bytes));
}

std::vector<const std::byte*> shifted(const std::vector<std::byte*>& addresses, int64_t bytes) {
  std::vector<const std::byte*> result;
  for (const std::byte* address : addresses) result.push_back(address + bytes);
  return result;
}

// Sums this rank's share of `elements` over all addresses, and writes it to all of them.
void reduce_share(const Reduction& reduction, const std::vector<std::byte*>& addresses, int64_t elements,
                  int64_t element_size, const Team& team) {
  const Range own = share_of(elements, team.rank(), team.size());
  if (own.size() == 0) return;
  std::vector<std::byte*> outputs;
  for (std::byte* address : addresses) outputs.push_back(address + own.begin * element_size);
  reduce_in_order(reduction, shifted(addresses, own.begin * element_size), outputs, own.size());
}

int64_t sum_before(const int64_t* counts, int end) { return std::accumulate(counts, counts + end, int64_t{0}); }

}  // namespace

std::vector<std::byte*> PeerCommunicator::meet(Operation operation, const at::Tensor& tensor, int64_t elements,
                                               int64_t options) {
  Call call{operation, static_cast<int32_t>(tensor.scalar_type()), elements, options};
  const std::optional<int64_t> handle = expose(bytes_of(tensor), size_in_bytes(tensor));
  call.exposed = handle.has_value() || tensor.numel() == 0;
  call.handle = handle.value_or(0);
  team_.meet(call);
  std::vector<std::byte*> addresses;
  for (int peer = 0; peer < size(); ++peer) {
    if (!team_.call(peer).exposed) return {};
    addresses.push_back(locate(peer, team_.call(peer).handle));
  }
  return addresses;
}

std::vector<std::byte*> PeerCommunicator::staging_areas() const {
  std::vector<std::byte*> areas;
  for (int peer = 0; peer < size(); ++peer) areas.push_back(staging(peer));
  return areas;
}

void PeerCommunicator::all_reduce(at::Tensor tensor, ReduceOptions options) {
  check_tensor(*this, "all_reduce", tensor);
  const Reduction reduction = resolve_reduction(tensor.scalar_type(), options);
  if (size() == 1 || tensor.numel() == 0) return;
  const auto addresses = meet(Operation::all_reduce, tensor, tensor.numel(), encode(options));
  if (addresses.empty()) return staged_all_reduce(tensor, options);
  reduce_share(reduction, addresses, tensor.numel(), tensor.element_size(), team_);
  team_.barrier();
}

void PeerCommunicator::staged_all_reduce(const at::Tensor& tensor, const ReduceOptions& options) {
  const Reduction reduction = resolve_reduction(tensor.scalar_type(), options);
  const auto areas = staging_areas();
  const int64_t size_of_one = tensor.element_size(), chunk = staging_bytes() / size_of_one;
  for (int64_t begin = 0; begin < tensor.numel(); begin += chunk) {
    const int64_t count = std::min(chunk, tensor.numel() - begin);
    std::byte* own = bytes_of(tensor) + begin * size_of_one;
    copy_bytes(staging(rank()), own, count * size_of_one);
    team_.barrier();
    reduce_share(reduction, areas, count, size_of_one, team_);
    team_.barrier();
    copy_bytes(own, staging(rank()), count * size_of_one);
  }
}

PendingPtr PeerCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) {
  check_reduce_scatter(*this, output, input);
  const Reduction reduction = resolve_reduction(input.scalar_type(), options);
  if (size() == 1) copy_bytes(bytes_of(output), bytes_of(input), size_in_bytes(input));
  if (size() == 1 || input.numel() == 0) return done();
  const auto addresses = meet(Operation::reduce_scatter, input, input.numel(), encode(options));
  if (addresses.empty()) {
    staged_reduce_scatter(output, input, options);
    return done();
  }
  reduce_in_order(reduction, shifted(addresses, size_in_bytes(output) * rank()), {bytes_of(output)}, output.numel());
  team_.barrier();
  return done();
}

void PeerCommunicator::staged_reduce_scatter(const at::Tensor& output, const at::Tensor& input,
                                             const ReduceOptions& options) {
  const Reduction reduction = resolve_reduction(input.scalar_type(), options);
  const auto areas = staging_areas();
  const int64_t size_of_one = input.element_size(), part = output.numel();
  const int64_t chunk = staging_bytes() / size_of_one / size();
  // The output may be a part of the input, so a chunk is written only after it has been staged: it always has.
  for (int64_t begin = 0; begin < part; begin += chunk) {
    const int64_t count = std::min(chunk, part - begin);
    for (int to = 0; to < size(); ++to) {
      copy_bytes(staging(rank()) + to * chunk * size_of_one, bytes_of(input) + (to * part + begin) * size_of_one,
                 count * size_of_one);
    }
    team_.barrier();
    reduce_in_order(reduction, shifted(areas, rank() * chunk * size_of_one), {bytes_of(output) + begin * size_of_one},
                    count);
    team_.barrier();
  }
}

PendingPtr PeerCommunicator::all_gather(at::Tensor output, at::Tensor input) {
  check_all_gather(*this, output, input);
  if (size() == 1) copy_bytes(bytes_of(output), bytes_of(input), size_in_bytes(input));
  if (size() == 1 || input.numel() == 0) return done();
  const auto addresses = meet(Operation::all_gather, input, input.numel(), 0);
  if (addresses.empty()) {
    staged_all_gather(output, input);
    return done();
  }
  const int64_t bytes = size_in_bytes(input);
  for (int step = 0; step < size(); ++step) {
    const int from = (rank() + step) % size();  // ranks start at different peers: no queue at rank 0's memory
    copy_bytes(bytes_of(output) + from * bytes, addresses[static_cast<size_t>(from)], bytes);
  }
  team_.barrier();
  return done();
}

void PeerCommunicator::staged_all_gather(const at::Tensor& output, const at::Tensor& input) {
  const int64_t bytes = size_in_bytes(input), chunk = staging_bytes();
  for (int64_t begin = 0; begin < bytes; begin += chunk) {
    const int64_t count = std::min(chunk, bytes - begin);
    copy_bytes(staging(rank()), bytes_of(input) + begin, count);
    team_.barrier();
    for (int from = 0; from < size(); ++from) {
      copy_bytes(bytes_of(output) + from * bytes + begin, staging(from), count);
    }
    team_.barrier();
  }
}

void PeerCommunicator::broadcast(at::Tensor tensor, int root) {
  check_tensor(*this, "broadcast", tensor);
  check_peer(*this, "broadcast", root);
  if (size() == 1 || tensor.numel() == 0) return;
  const auto addresses = meet(Operation::broadcast, tensor, tensor.numel(), root);
  if (addresses.empty()) return staged_broadcast(tensor, root);
  if (rank() != root) copy_bytes(bytes_of(tensor), addresses[static_cast<size_t>(root)], size_in_bytes(tensor));
  team_.barrier();
}

void PeerCommunicator::staged_broadcast(const at::Tensor& tensor, int root) {
  const int64_t bytes = size_in_bytes(tensor), chunk = staging_bytes();
  for (int64_t begin = 0; begin < bytes; begin += chunk) {
    const int64_t count = std::min(chunk, bytes - begin);
    if (rank() == root) copy_bytes(staging(root), bytes_of(tensor) + begin, count);
    team_.barrier();
    if (rank() != root) copy_bytes(bytes_of(tensor) + begin, staging(root), count);
    team_.barrier();
  }
}

void PeerCommunicator::all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                                  const std::vector<int64_t>& send_counts) {
  check_all_to_all(*this, output, input, receive_counts, send_counts);
  std::copy(send_counts.begin(), send_counts.end(), team_.counts(rank()));
  const auto addresses = meet(Operation::all_to_all, input, 0, 0);
  bool agreed = true;
  for (int from = 0; from < size(); ++from) {
    agreed = agreed && team_.counts(from)[rank()] == receive_counts[static_cast<size_t>(from)];
  }
  if (!agreed) {
    abort(static_cast<int>(ExitCode::internal),
          "all_to_all: rank " + std::to_string(rank()) + " expects other counts than its peers send");
    team_.throw_if_aborted();
  }
  const int64_t size_of_one = input.element_size();
  if (addresses.empty()) return staged_all_to_all(bytes_of(output), bytes_of(input), size_of_one);
  int64_t place = 0;
  for (int from = 0; from < size(); ++from) {
    const int64_t offset = sum_before(team_.counts(from), rank());
    const int64_t count = receive_counts[static_cast<size_t>(from)];
    copy_bytes(bytes_of(output) + place * size_of_one, addresses[static_cast<size_t>(from)] + offset * size_of_one,
               count * size_of_one);
    place += count;
  }
  team_.barrier();
}

// One sender after the other shows its whole input in chunks; each rank takes what is its own.
void PeerCommunicator::staged_all_to_all(std::byte* output, const std::byte* input, int64_t element_size) {
  int64_t place = 0;
  for (int from = 0; from < size(); ++from) {
    const int64_t total = sum_before(team_.counts(from), size()) * element_size;
    const int64_t begin = sum_before(team_.counts(from), rank()) * element_size;
    const int64_t end = begin + team_.counts(from)[rank()] * element_size;
    for (int64_t chunk = 0; chunk < total; chunk += staging_bytes()) {
      const int64_t stop = std::min(total, chunk + staging_bytes());
      if (from == rank()) copy_bytes(staging(from), input + chunk, stop - chunk);
      team_.barrier();
      const int64_t first = std::max(begin, chunk), last = std::min(end, stop);
      if (first < last) copy_bytes(output + place + (first - begin), staging(from) + (first - chunk), last - first);
      team_.barrier();
    }
    place += end - begin;
  }
  team_.barrier();
}

void PeerCommunicator::barrier() {
  if (size() == 1) return team_.throw_if_aborted();
  Call call;
  call.operation = Operation::barrier;
  team_.meet(call);
  team_.barrier();
}

std::string PeerCommunicator::missing() const { return team_.missing(); }

}  // namespace plumb::parallel
