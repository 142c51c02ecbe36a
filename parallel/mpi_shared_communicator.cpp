#include <ATen/ATen.h>

#include <cstring>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/host_memory.h"
#include "parallel/mpi_session.h"
#include "parallel/mpi_support.h"
#include "parallel/mpi_transports.h"
#include "parallel/peer_communicator.h"

namespace plumb::parallel {
namespace {

constexpr int kOffsetBits = 48;      // of a handle: offset in the window; above it the window's place
constexpr size_t kReclaimable = 62;  // places whose windows are reused: they fit the mask that ranks compare

class MpiSharedCommunicator : public PeerCommunicator {
 public:
  MpiSharedCommunicator(MPI_Comm comm, const MpiOptions& options, Team team, SharedWindow base, int64_t control_bytes)
      : PeerCommunicator(team, host_name()),
        comm_(comm),
        options_(options),
        base_(std::move(base)),
        control_bytes_(control_bytes) {}

  std::string name() const override { return "mpi"; }

  at::Tensor allocate(int64_t bytes) override {
    if (bytes < 0) fail_internal("allocation of a negative size");
    const uint64_t unused = commonly_unused(bytes);
    if (bytes == 0) return allocate_host(0);
    for (size_t place = 0; place < std::min(windows_.size(), kReclaimable); ++place) {
      if ((unused >> place & 1u) == 0 || !windows_[place]) continue;
      if (windows_[place]->bytes == bytes) {
        std::memset(windows_[place]->bases[static_cast<size_t>(rank())], 0, static_cast<size_t>(bytes));
        team_.barrier();
        return tensor_of(place);
      }
      free_window(*windows_[place]);  // all ranks have let go of it, and all free it here
      windows_[place].reset();
    }
    auto window = allocate_window(comm_, bytes);
    if (!window) return allocate_host(bytes);  // works all the same, through the staging areas
    size_t place = 0;
    while (place < windows_.size() && windows_[place]) ++place;
    if (place == windows_.size()) windows_.emplace_back();
    windows_[place] = std::move(*window);
    return tensor_of(place);
  }

  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    for (const auto* side : {&sends, &receives}) {
      for (const Transfer& transfer : *side) {
        check_tensor(*this, "exchange", transfer.tensor);
        check_peer(*this, "exchange", transfer.peer);
      }
    }
    return exchange_messages(comm_, sends, receives, options_.message_bytes);
  }

  std::shared_ptr<Communicator> split(int color, int key) override { return split_mpi(comm_, color, key, options_); }

  void abort(int code, const std::string& why) override { end_job(code, why); }

 protected:
  std::optional<int64_t> expose(const std::byte* data, int64_t bytes) const override {
    for (size_t place = 0; place < windows_.size(); ++place) {
      if (!windows_[place]) continue;
      const std::byte* own = windows_[place]->bases[static_cast<size_t>(rank())];
      if (data < own || data + bytes > own + windows_[place]->bytes) continue;
      return static_cast<int64_t>(place) << kOffsetBits | (data - own);
    }
    return std::nullopt;
  }
  std::byte* locate(int peer, int64_t handle) const override {
    const auto& window = windows_[static_cast<size_t>(handle >> kOffsetBits)];
    if (!window) return nullptr;  // an empty tensor's handle: nothing is read there
    return window->bases[static_cast<size_t>(peer)] + (handle & ((int64_t{1} << kOffsetBits) - 1));
  }
  std::byte* staging(int peer) const override { return base_.bases[static_cast<size_t>(peer)] + control_bytes_; }
  int64_t staging_bytes() const override { return options_.staging_bytes; }

 private:
  // Windows that no rank has a tensor of, as a mask over places.
  uint64_t commonly_unused(int64_t bytes) {
    uint64_t mine = 0;
    for (size_t place = 0; place < std::min(windows_.size(), kReclaimable); ++place) {
      if (windows_[place] && windows_[place]->unused->load()) mine |= uint64_t{1} << place;
    }
    Call call;
    call.operation = Operation::allocate;
    call.elements = bytes;
    call.handle = static_cast<int64_t>(mine);
    team_.meet(call);
    for (int peer = 0; peer < size(); ++peer) mine &= static_cast<uint64_t>(team_.call(peer).handle);
    team_.barrier();
    return mine;
  }

  at::Tensor tensor_of(size_t place) {
    SharedWindow& window = *windows_[place];
    window.unused->store(false);
    auto unused = window.unused;
    std::shared_ptr<void> owner(nullptr, [unused](void*) { unused->store(true); });
    return wrap_host(window.bases[static_cast<size_t>(rank())], window.bytes, std::move(owner));
  }

  MPI_Comm comm_;
  MpiOptions options_;
  SharedWindow base_;  // control block (of rank 0), staging area of each rank
  int64_t control_bytes_;
  std::vector<std::optional<SharedWindow>> windows_;  // the same places on all ranks
};

}  // namespace

CommunicatorPtr make_mpi_shared(MPI_Comm comm, const MpiOptions& options) {
  int rank = 0, size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  constexpr int64_t kPage = 4096;
  const int64_t control_bytes = (Team::bytes_needed(size) + kPage - 1) / kPage * kPage;
  auto base = allocate_window(comm, control_bytes + options.staging_bytes);
  if (!base) return nullptr;
  if (rank == 0) Team::construct(base->bases[0], size);
  check_mpi(MPI_Barrier(comm), "split");
  const Team team(base->bases[0], rank, size, progress_messages);
  return std::make_shared<MpiSharedCommunicator>(comm, options, team, std::move(*base), control_bytes);
}

}  // namespace plumb::parallel
