#include "parallel/checks.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include "core/error.h"

namespace plumb::parallel {
namespace {

[[noreturn]] void refuse(const Communicator& communicator, const char* operation, const std::string& what) {
  fail_internal(std::string(operation) + " on rank " + std::to_string(communicator.rank()) + ": " + what);
}

int64_t checked_total(const Communicator& communicator, const std::vector<int64_t>& counts, const char* which) {
  if (counts.size() != static_cast<size_t>(communicator.size())) {
    refuse(communicator, "all_to_all",
           std::string(which) + " has " + std::to_string(counts.size()) + " entries for " +
               std::to_string(communicator.size()) + " ranks");
  }
  int64_t total = 0;
  for (const int64_t count : counts) {
    if (count < 0 || __builtin_add_overflow(total, count, &total)) {
      refuse(communicator, "all_to_all", std::string(which) + " has an impossible count");
    }
  }
  return total;
}

}  // namespace

void check_tensor(const Communicator& communicator, const char* operation, const at::Tensor& tensor) {
  if (!tensor.defined()) refuse(communicator, operation, "an undefined tensor");
  if (!tensor.is_contiguous()) refuse(communicator, operation, "a tensor that is not contiguous");
  const at::Device device = tensor.device(), own = communicator.device();
  if (device.type() != own.type() || (device.has_index() && own.has_index() && device.index() != own.index())) {
    refuse(communicator, operation, "a tensor on " + device.str() + ", the communicator works on " + own.str());
  }
}

void check_peer(const Communicator& communicator, const char* operation, int peer) {
  if (peer < 0 || peer >= communicator.size()) {
    refuse(communicator, operation,
           "there is no rank " + std::to_string(peer) + " among " + std::to_string(communicator.size()));
  }
}

void check_reduce_scatter(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input) {
  check_tensor(communicator, "reduce_scatter", output);
  check_tensor(communicator, "reduce_scatter", input);
  if (output.scalar_type() != input.scalar_type() || input.numel() != output.numel() * communicator.size()) {
    refuse(communicator, "reduce_scatter",
           std::to_string(input.numel()) + " elements of " + input.dtype().name().data() + " into " +
               std::to_string(output.numel()) + " of " + output.dtype().name().data());
  }
}

void check_all_gather(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input) {
  check_tensor(communicator, "all_gather", output);
  check_tensor(communicator, "all_gather", input);
  if (output.scalar_type() != input.scalar_type() || output.numel() != input.numel() * communicator.size()) {
    refuse(communicator, "all_gather",
           std::to_string(input.numel()) + " elements of " + input.dtype().name().data() + " into " +
               std::to_string(output.numel()) + " of " + output.dtype().name().data());
  }
}

void check_all_to_all(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input,
                      const std::vector<int64_t>& receive_counts, const std::vector<int64_t>& send_counts) {
  check_tensor(communicator, "all_to_all", output);
  check_tensor(communicator, "all_to_all", input);
  if (output.scalar_type() != input.scalar_type()) refuse(communicator, "all_to_all", "two dtypes");
  if (checked_total(communicator, receive_counts, "receive_counts") != output.numel() ||
      checked_total(communicator, send_counts, "send_counts") != input.numel()) {
    refuse(communicator, "all_to_all", "counts do not add up to the tensors' elements");
  }
}

Range share_of(int64_t elements, int part, int parts) {
  constexpr int64_t kLine = 64;
  const int64_t lines = (elements + kLine - 1) / kLine;
  const auto cut = [&](int64_t index) {
    return std::min(elements, (lines / parts * index + std::min<int64_t>(index, lines % parts)) * kLine);
  };
  return {cut(part), cut(part + 1)};
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

}  // namespace plumb::parallel
