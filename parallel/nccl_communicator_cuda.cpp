#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <array>
#include <cstring>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/mpi_support.h"
#include "parallel/nccl_communicator.h"
#include "parallel/nccl_support.h"

namespace plumb::parallel {
namespace {

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<NcclGroup> group, std::vector<std::string> hosts)
      : group_(std::move(group)), hosts_(std::move(hosts)) {}

  int rank() const override { return group_->rank; }
  int size() const override { return group_->size; }
  at::Device device() const override { return group_->device; }
  std::string name() const override { return "nccl"; }
  std::string host(int rank) const override { return hosts_.at(static_cast<size_t>(rank)); }
  std::string fault() const override { return group_->fault(); }
  std::optional<Running> running() override {
    const auto oldest = group_->oldest();
    return oldest ? std::optional<Running>(Running{oldest->first, oldest->second}) : std::nullopt;
  }

  at::Tensor allocate(int64_t bytes) override {
    const c10::cuda::CUDAGuard guard(group_->device);
    return at::zeros({bytes}, at::TensorOptions().dtype(at::kByte).device(group_->device));
  }

  void all_reduce(at::Tensor tensor, ReduceOptions options) override {
    check_tensor(*this, "all_reduce", tensor);
    if (size() == 1 || tensor.numel() == 0) return;
    if (travels_as_it_is(tensor, options)) {
      NcclCall call(group_, "all_reduce");
      call.check(ncclAllReduce(tensor.data_ptr(), tensor.data_ptr(), static_cast<size_t>(tensor.numel()),
                               nccl_type(tensor.scalar_type()), nccl_op(options.op), group_->comm, call.stream()));
      return call.end({tensor})->wait();
    }
    // Rounded to the wire's dtype, gathered by parts, added in the sum's dtype by the part's owner.
    const int64_t part = (tensor.numel() + size() - 1) / size();
    at::Tensor padded = at::zeros({part * size()}, tensor.options());
    padded.narrow(0, 0, tensor.numel()).copy_(tensor.view({-1}));
    at::Tensor own = at::empty({part}, tensor.options());
    reduce_scatter(own, padded, options)->wait();
    all_gather(padded, own)->wait();
    tensor.view({-1}).copy_(padded.narrow(0, 0, tensor.numel()));
  }

  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) override {
    check_reduce_scatter(*this, output, input);
    const c10::cuda::CUDAGuard guard(group_->device);
    if (size() == 1 && output.data_ptr() != input.data_ptr()) output.view({-1}).copy_(input.view({-1}));
    if (size() == 1 || input.numel() == 0) return done();
    if (travels_as_it_is(input, options)) {
      NcclCall call(group_, "reduce_scatter");
      call.check(ncclReduceScatter(input.data_ptr(), output.data_ptr(), static_cast<size_t>(output.numel()),
                                   nccl_type(input.scalar_type()), nccl_op(options.op), group_->comm, call.stream()));
      return call.end({output, input});
    }
    const bool narrow = input.scalar_type() == at::kFloat && options.wire == at::kBFloat16;
    const at::Tensor wire = input.view({-1}).to(narrow ? at::kBFloat16 : input.scalar_type());
    at::Tensor parts = at::empty_like(wire);
    const std::vector<int64_t> counts(static_cast<size_t>(size()), output.numel());
    all_to_all(parts, wire, counts, counts);
    const at::Tensor stacked = parts.view({size(), output.numel()}).to(options.sum);
    output.view({-1}).copy_(options.op == Sum::sum ? stacked.sum(0) : stacked.amax(0));
    return done();
  }

  PendingPtr all_gather(at::Tensor output, at::Tensor input) override {
    check_all_gather(*this, output, input);
    const c10::cuda::CUDAGuard guard(group_->device);
    if (size() == 1 && output.data_ptr() != input.data_ptr()) output.view({-1}).copy_(input.view({-1}));
    if (size() == 1 || input.numel() == 0) return done();
    NcclCall call(group_, "all_gather");
    call.check(ncclAllGather(input.data_ptr(), output.data_ptr(), static_cast<size_t>(size_in_bytes(input)), ncclUint8,
                             group_->comm, call.stream()));
    return call.end({output, input});
  }

  void broadcast(at::Tensor tensor, int root) override {
    check_tensor(*this, "broadcast", tensor);
    check_peer(*this, "broadcast", root);
    if (size() == 1 || tensor.numel() == 0) return;
    NcclCall call(group_, "broadcast");
    call.check(ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), static_cast<size_t>(size_in_bytes(tensor)),
                             ncclUint8, root, group_->comm, call.stream()));
    call.end({tensor})->wait();
  }

  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                  const std::vector<int64_t>& send_counts) override {
    check_all_to_all(*this, output, input, receive_counts, send_counts);
    std::vector<Transfer> sends, receives;
    const at::Tensor from = input.view({-1}), to = output.view({-1});
    int64_t sent = 0, received = 0;
    for (int peer = 0; peer < size(); ++peer) {
      const auto index = static_cast<size_t>(peer);
      sends.push_back({peer, from.narrow(0, sent, send_counts[index])});
      receives.push_back({peer, to.narrow(0, received, receive_counts[index])});
      sent += send_counts[index];
      received += receive_counts[index];
    }
    transfer("all_to_all", sends, receives)->wait();
  }

  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    for (const auto* side : {&sends, &receives}) {
      for (const Transfer& item : *side) {
        check_tensor(*this, "exchange", item.tensor);
        check_peer(*this, "exchange", item.peer);
      }
    }
    return transfer("exchange", sends, receives);
  }

  void barrier() override {
    at::Tensor one = at::ones({1}, at::TensorOptions().dtype(at::kInt).device(group_->device));
    all_reduce(one, {});
    group_->synchronize();
  }

  std::shared_ptr<Communicator> split(int color, int key) override {
    // Who is in which part, so that hosts and sizes are known without asking NCCL.
    at::Tensor own = at::tensor({int64_t{color}, int64_t{key}}, at::kLong).to(group_->device);
    at::Tensor all = at::empty({2 * size()}, own.options());
    all_gather(all, own)->wait();
    const at::Tensor table = all.to(at::kCPU);
    std::vector<std::pair<int64_t, int>> members;  // (key, rank)
    for (int other = 0; other < size(); ++other) {
      const auto* entry = table.data_ptr<int64_t>() + 2 * other;
      if (entry[0] == color) members.emplace_back(entry[1], other);
    }
    std::sort(members.begin(), members.end());
    const auto place = std::find(members.begin(), members.end(), std::make_pair(int64_t{key}, rank()));
    auto part = group_->split(color, key, static_cast<int>(place - members.begin()), static_cast<int>(members.size()));
    if (!part) return nullptr;
    std::vector<std::string> hosts;
    for (const auto& member : members) hosts.push_back(hosts_[static_cast<size_t>(member.second)]);
    return std::make_shared<NcclCommunicator>(std::move(part), std::move(hosts));
  }

  void abort(int code, const std::string& why) override {
    // ncclCommAbort may wait for kernels that never end: the job's end takes the device memory anyway.
    end_job(code, why);
  }

 private:
  // NCCL adds in the dtype that travels: right when that is the dtype to add in.
  static bool travels_as_it_is(const at::Tensor& tensor, const ReduceOptions& options) {
    const at::ScalarType dtype = tensor.scalar_type();
    if (dtype == at::kDouble || at::isIntegralType(dtype, false)) return true;
    if (options.op == Sum::max) return options.wire == at::kFloat || options.wire == dtype;
    return dtype == at::kFloat && options.wire == at::kFloat && options.sum == at::kFloat;
  }

  PendingPtr transfer(const char* operation, const std::vector<Transfer>& sends,
                      const std::vector<Transfer>& receives) {
    NcclCall call(group_, operation);
    std::vector<at::Tensor> kept;
    call.check(ncclGroupStart());
    for (const Transfer& send : sends) {
      kept.push_back(send.tensor);
      if (send.tensor.numel() == 0) continue;
      call.check(ncclSend(send.tensor.data_ptr(), static_cast<size_t>(size_in_bytes(send.tensor)), ncclUint8, send.peer,
                          group_->comm, call.stream()));
    }
    for (const Transfer& receive : receives) {
      kept.push_back(receive.tensor);
      if (receive.tensor.numel() == 0) continue;
      call.check(ncclRecv(receive.tensor.data_ptr(), static_cast<size_t>(size_in_bytes(receive.tensor)), ncclUint8,
                          receive.peer, group_->comm, call.stream()));
    }
    call.check(ncclGroupEnd());
    return call.end(std::move(kept));
  }

  std::shared_ptr<NcclGroup> group_;
  std::vector<std::string> hosts_;
};

std::vector<std::string> all_hosts(const LaunchInfo& launch) {
  if (launch.size == 1) return {launch.host};
  std::array<char, 256> own{};
  std::memcpy(own.data(), launch.host.data(), std::min(launch.host.size(), own.size() - 1));
  std::vector<std::array<char, 256>> all(static_cast<size_t>(launch.size));
  check_mpi(MPI_Allgather(own.data(), 256, MPI_CHAR, all.data(), 256, MPI_CHAR, MPI_COMM_WORLD), "start of nccl");
  std::vector<std::string> hosts;
  for (const auto& host : all) hosts.emplace_back(host.data());
  return hosts;
}

}  // namespace

CommunicatorPtr make_nccl(at::Device device, const LaunchInfo& launch) {
  if (c10::cuda::device_count() == 0) {
    fail_input("parallel.communicator", "nccl needs a GPU, and this process sees none",
               "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use parallel.device: cpu");
  }
  if (!device.has_index()) device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(launch.local_rank));
  if (device.index() >= c10::cuda::device_count()) {
    fail_input("parallel.device",
               "rank " + std::to_string(launch.rank) + " on " + launch.host + " wants GPU " +
                   std::to_string(device.index()) + ", and the host has " + std::to_string(c10::cuda::device_count()),
               "start at most one rank a GPU: mpirun -n " + std::to_string(c10::cuda::device_count()));
  }
  if (launch.size > 1) ensure_mpi();
  const c10::cuda::CUDAGuard guard(device);
  ncclUniqueId id{};
  if (launch.rank == 0) check_nccl(ncclGetUniqueId(&id), "start of nccl");
  if (launch.size > 1) check_mpi(MPI_Bcast(&id, sizeof(id), MPI_BYTE, 0, MPI_COMM_WORLD), "start of nccl");
  return std::make_shared<NcclCommunicator>(NcclGroup::make(id, launch.rank, launch.size, device), all_hosts(launch));
}

}  // namespace plumb::parallel
