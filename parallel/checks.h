// Preconditions that every communicator checks before anything is sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/communicator.h"

namespace plumb::parallel {

// Nothing is left to wait for.
class Done : public Pending {
 public:
  void wait() override {}
};
inline PendingPtr done() { return std::make_unique<Done>(); }

// Defined, contiguous, on the communicator's device; else Error(internal).
void check_tensor(const Communicator& communicator, const char* operation, const at::Tensor& tensor);
void check_peer(const Communicator& communicator, const char* operation, int peer);
void check_reduce_scatter(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input);
void check_all_gather(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input);
void check_all_to_all(const Communicator& communicator, const at::Tensor& output, const at::Tensor& input,
                      const std::vector<int64_t>& receive_counts, const std::vector<int64_t>& send_counts);

inline std::byte* bytes_of(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }
inline int64_t size_in_bytes(const at::Tensor& tensor) { return tensor.numel() * tensor.element_size(); }

// Element range that rank `part` of `parts` takes of `elements`: near equal, cut at multiples of 64 elements, so that
// no two ranks write one cache line.
struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};
Range share_of(int64_t elements, int part, int parts);

// This machine's name as the network knows it.
std::string host_name();

}  // namespace plumb::parallel
