#include <ATen/ATen.h>

#include <array>
#include <cstring>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/host_memory.h"
#include "parallel/mpi_session.h"
#include "parallel/mpi_support.h"
#include "parallel/mpi_transports.h"
#include "parallel/reduce_kernels.h"

namespace plumb::parallel {
namespace {

void copy_bytes(std::byte* output, const std::byte* input, int64_t bytes) {
  if (output != input && bytes > 0) std::memcpy(output, input, static_cast<size_t>(bytes));
}

class MpiNetworkCommunicator : public Communicator {
 public:
  MpiNetworkCommunicator(MPI_Comm comm, const MpiOptions& options) : comm_(comm), options_(options) {
    MPI_Comm_rank(comm, &rank_);
    MPI_Comm_size(comm, &size_);
    std::array<char, 256> own{};
    const std::string name = host_name();
    std::memcpy(own.data(), name.data(), std::min(name.size(), own.size() - 1));
    std::vector<std::array<char, 256>> all(static_cast<size_t>(size_));
    check_mpi(MPI_Allgather(own.data(), 256, MPI_CHAR, all.data(), 256, MPI_CHAR, comm), "split");
    for (const auto& host : all) hosts_.emplace_back(host.data());
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  at::Device device() const override { return at::Device(at::kCPU); }
  std::string name() const override { return "mpi"; }
  std::string host(int rank) const override { return hosts_.at(static_cast<size_t>(rank)); }

  at::Tensor allocate(int64_t bytes) override {
    check_mpi(MPI_Barrier(comm_), "allocate");
    return allocate_host(bytes);
  }

  void all_reduce(at::Tensor tensor, ReduceOptions options) override;
  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) override;
  PendingPtr all_gather(at::Tensor output, at::Tensor input) override;
  void broadcast(at::Tensor tensor, int root) override;
  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                  const std::vector<int64_t>& send_counts) override;

  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    for (const auto* side : {&sends, &receives}) {
      for (const Transfer& transfer : *side) {
        check_tensor(*this, "exchange", transfer.tensor);
        check_peer(*this, "exchange", transfer.peer);
      }
    }
    return exchange_messages(comm_, sends, receives, options_.message_bytes);
  }

  void barrier() override { check_mpi(MPI_Barrier(comm_), "barrier"); }
  std::shared_ptr<Communicator> split(int color, int key) override { return split_mpi(comm_, color, key, options_); }
  void abort(int code, const std::string& why) override { end_job(code, why); }

 private:
  // A chunked reduction: what each rank gets of the others, in the dtype that travels.
  struct Wire {
    Reduction reduction;
    int64_t element_size = 0, wire_size = 0;
    int64_t part = 0;                     // elements of one chunk for one rank
    std::vector<const std::byte*> parts;  // of incoming_
  };
  Wire make_wire(const at::Tensor& tensor, const ReduceOptions& options, int64_t largest_part);
  void pack(const Wire& wire, int to, const std::byte* input, int64_t elements);
  // Every rank sends its packed parts and sums what it has got into `output`.
  void exchange_and_reduce(const Wire& wire, std::byte* output, int64_t elements);

  MPI_Comm comm_;
  MpiOptions options_;
  int rank_ = 0, size_ = 1;
  std::vector<std::string> hosts_;
  // Scratch, kept: fresh pages for every call would cost more than the sums. At most four times chunk_bytes.
  std::vector<std::byte> outgoing_, incoming_, own_, sums_;
};

MpiNetworkCommunicator::Wire MpiNetworkCommunicator::make_wire(const at::Tensor& tensor, const ReduceOptions& options,
                                                               int64_t largest_part) {
  Wire wire;
  wire.reduction = resolve_reduction(tensor.scalar_type(), options);
  wire.element_size = tensor.element_size();
  wire.wire_size = wire.reduction.round_bf16 ? 2 : wire.element_size;
  if (wire.reduction.round_bf16) {  // rounded by the sender, so half of the bytes travel
    wire.reduction.input = at::kBFloat16;
    wire.reduction.round_bf16 = false;
  }
  const int64_t fitting = std::max<int64_t>(64, options_.chunk_bytes / (wire.element_size * size_) / 64 * 64);
  wire.part = std::min(fitting, largest_part);
  const auto bytes = static_cast<size_t>(wire.part * wire.wire_size * size_);
  outgoing_.resize(std::max(outgoing_.size(), bytes));
  incoming_.resize(std::max(incoming_.size(), bytes));
  for (int from = 0; from < size_; ++from) {
    wire.parts.push_back(incoming_.data() + from * wire.part * wire.wire_size);
  }
  return wire;
}

void MpiNetworkCommunicator::pack(const Wire& wire, int to, const std::byte* input, int64_t elements) {
  std::byte* place = outgoing_.data() + to * wire.part * wire.wire_size;
  if (wire.wire_size == wire.element_size) return copy_bytes(place, input, elements * wire.element_size);
  narrow_to_bf16(reinterpret_cast<const float*>(input), reinterpret_cast<uint16_t*>(place), elements);
}

void MpiNetworkCommunicator::exchange_and_reduce(const Wire& wire, std::byte* output, int64_t elements) {
  const int bytes = static_cast<int>(wire.part * wire.wire_size);
  check_mpi(MPI_Alltoall(outgoing_.data(), bytes, MPI_BYTE, incoming_.data(), bytes, MPI_BYTE, comm_), "reduce");
  reduce_in_order(wire.reduction, wire.parts, {output}, elements);
}

void MpiNetworkCommunicator::all_reduce(at::Tensor tensor, ReduceOptions options) {
  check_tensor(*this, "all_reduce", tensor);
  resolve_reduction(tensor.scalar_type(), options);
  if (size_ == 1 || tensor.numel() == 0) return;
  Wire wire = make_wire(tensor, options, (tensor.numel() + size_ - 1) / size_);
  const int64_t chunk = wire.part * size_;
  const int bytes = static_cast<int>(wire.part * wire.element_size);
  own_.resize(std::max(own_.size(), static_cast<size_t>(bytes)));
  sums_.resize(std::max(sums_.size(), static_cast<size_t>(chunk * wire.element_size)));
  for (int64_t begin = 0; begin < tensor.numel(); begin += chunk) {
    const int64_t count = std::min(chunk, tensor.numel() - begin);
    std::byte* place = bytes_of(tensor) + begin * wire.element_size;
    for (int to = 0; to < size_; ++to) {
      const int64_t first = std::min(count, to * wire.part), last = std::min(count, first + wire.part);
      pack(wire, to, place + first * wire.element_size, last - first);
    }
    exchange_and_reduce(wire, own_.data(), wire.part);  // the last parts' tails are leftovers, and are not copied back
    check_mpi(MPI_Allgather(own_.data(), bytes, MPI_BYTE, sums_.data(), bytes, MPI_BYTE, comm_), "all_reduce");
    copy_bytes(place, sums_.data(), count * wire.element_size);
  }
}

PendingPtr MpiNetworkCommunicator::reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) {
  check_reduce_scatter(*this, output, input);
  resolve_reduction(input.scalar_type(), options);
  if (size_ == 1) copy_bytes(bytes_of(output), bytes_of(input), size_in_bytes(input));
  if (size_ == 1 || input.numel() == 0) return done();
  const int64_t part = output.numel();
  Wire wire = make_wire(input, options, part);
  for (int64_t begin = 0; begin < part; begin += wire.part) {
    const int64_t count = std::min(wire.part, part - begin);
    for (int to = 0; to < size_; ++to) {
      pack(wire, to, bytes_of(input) + (to * part + begin) * wire.element_size, count);
    }
    exchange_and_reduce(wire, bytes_of(output) + begin * wire.element_size, count);
  }
  return done();
}

PendingPtr MpiNetworkCommunicator::all_gather(at::Tensor output, at::Tensor input) {
  check_all_gather(*this, output, input);
  const int64_t bytes = size_in_bytes(input);
  std::byte* own = bytes_of(output) + rank_ * bytes;
  const bool in_place = own == bytes_of(input);
  for (int64_t begin = 0; begin < bytes; begin += options_.message_bytes) {
    const int count = static_cast<int>(std::min(options_.message_bytes, bytes - begin));
    // A piece of every rank's part, laid at the distance of whole parts.
    MPI_Datatype piece = MPI_DATATYPE_NULL, spaced = MPI_DATATYPE_NULL;
    MPI_Type_contiguous(count, MPI_BYTE, &piece);
    MPI_Type_create_resized(piece, 0, bytes, &spaced);
    MPI_Type_commit(&spaced);
    const void* source = in_place ? MPI_IN_PLACE : static_cast<const void*>(bytes_of(input) + begin);
    const int code = MPI_Allgather(source, count, MPI_BYTE, bytes_of(output) + begin, 1, spaced, comm_);
    MPI_Type_free(&spaced);
    MPI_Type_free(&piece);
    check_mpi(code, "all_gather");
  }
  return done();
}

void MpiNetworkCommunicator::broadcast(at::Tensor tensor, int root) {
  check_tensor(*this, "broadcast", tensor);
  check_peer(*this, "broadcast", root);
  for (int64_t begin = 0; begin < size_in_bytes(tensor); begin += options_.message_bytes) {
    const int count = static_cast<int>(std::min(options_.message_bytes, size_in_bytes(tensor) - begin));
    check_mpi(MPI_Bcast(bytes_of(tensor) + begin, count, MPI_BYTE, root, comm_), "broadcast");
  }
}

void MpiNetworkCommunicator::all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                                        const std::vector<int64_t>& send_counts) {
  check_all_to_all(*this, output, input, receive_counts, send_counts);
  std::vector<Transfer> sends, receives;
  const at::Tensor from = input.view({-1}), to = output.view({-1});
  int64_t sent = 0, received = 0;
  for (int peer = 0; peer < size_; ++peer) {
    const auto index = static_cast<size_t>(peer);
    sends.push_back({peer, from.narrow(0, sent, send_counts[index])});
    receives.push_back({peer, to.narrow(0, received, receive_counts[index])});
    sent += send_counts[index];
    received += receive_counts[index];
  }
  exchange_messages(comm_, sends, receives, options_.message_bytes)->wait();
}

}  // namespace

CommunicatorPtr make_mpi_network(MPI_Comm comm, const MpiOptions& options) {
  return std::make_shared<MpiNetworkCommunicator>(comm, options);
}

}  // namespace plumb::parallel
