#include <ATen/ATen.h>

#include <cstring>

#include "parallel/communicator.h"

namespace plumb::parallel {
namespace {

template <class T>
T reduce_value(Communicator& communicator, T value, Sum op, at::ScalarType dtype) {
  if (communicator.size() == 1) return value;
  at::Tensor one = at::full({1}, value, at::TensorOptions().dtype(dtype)).to(communicator.device());
  communicator.all_reduce(one, {op, dtype, dtype});
  return one.to(at::kCPU).data_ptr<T>()[0];
}

at::Tensor bytes_tensor(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

std::string to_string(const at::Tensor& bytes) {
  const at::Tensor host = bytes.to(at::kCPU);
  return {static_cast<const char*>(host.data_ptr()), static_cast<size_t>(host.numel())};
}

}  // namespace

double all_reduce_value(Communicator& communicator, double value, Sum op) {
  return reduce_value(communicator, value, op, at::kDouble);
}

int64_t all_reduce_value(Communicator& communicator, int64_t value, Sum op) {
  return reduce_value(communicator, value, op, at::kLong);
}

std::string broadcast_string(Communicator& communicator, std::string value, int root) {
  if (communicator.size() == 1) return value;
  const bool is_root = communicator.rank() == root;
  const int64_t bytes =
      all_reduce_value(communicator, is_root ? static_cast<int64_t>(value.size()) : int64_t{0}, Sum::sum);
  if (bytes == 0) return "";
  at::Tensor text = (is_root ? bytes_tensor(value) : at::empty({bytes}, at::kByte)).to(communicator.device());
  communicator.broadcast(text, root);
  return to_string(text);
}

std::vector<std::string> gather_strings(Communicator& communicator, const std::string& value) {
  const int size = communicator.size();
  if (size == 1) return {value};
  const auto own = static_cast<int64_t>(value.size());
  at::Tensor lengths = at::empty({size}, at::TensorOptions().dtype(at::kLong).device(communicator.device()));
  communicator.all_gather(lengths, at::full({1}, own, at::kLong).to(communicator.device()))->wait();
  const at::Tensor host_lengths = lengths.to(at::kCPU);
  const auto* bytes = host_lengths.data_ptr<int64_t>();
  const std::vector<int64_t> receive_counts(bytes, bytes + size);
  int64_t total = 0;
  for (const int64_t count : receive_counts) total += count;
  // Everybody sends the same text to everybody: one copy of it per receiver.
  std::string copies;
  for (int to = 0; to < size; ++to) copies += value;
  at::Tensor all = at::empty({total}, at::TensorOptions().dtype(at::kByte).device(communicator.device()));
  communicator.all_to_all(all, bytes_tensor(copies).to(communicator.device()), receive_counts,
                          std::vector<int64_t>(static_cast<size_t>(size), own));
  const std::string joined = to_string(all);
  std::vector<std::string> values;
  size_t place = 0;
  for (const int64_t count : receive_counts) {
    values.push_back(joined.substr(place, static_cast<size_t>(count)));
    place += static_cast<size_t>(count);
  }
  return values;
}

}  // namespace plumb::parallel
