#include "parallel/mpi_support.h"

#include <ATen/ATen.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "parallel/checks.h"

namespace plumb::parallel {
namespace {

std::atomic<int> messages_under_way{0};
std::vector<MPI_Win> live_windows;  // in the order of creation

// Shared windows are files in /dev/shm; a container may give it 64 MB, and writing beyond that is a bus error.
bool shared_memory_available(int64_t bytes) {
  struct statvfs info {};
  if (statvfs("/dev/shm", &info) != 0) return true;  // MPI keeps its windows elsewhere, and says so when it cannot
  const auto free = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
  return static_cast<double>(bytes) * 1.02 + 4e6 < free;
}

class Messages : public Pending {
 public:
  ~Messages() override {
    // Unwinding: peers may never answer, and the tensors must stay while MPI may still write to them.
    if (!requests_.empty() && std::uncaught_exceptions() > 0) {
      new std::vector<at::Tensor>(tensors_);
      return;
    }
    if (!requests_.empty()) MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
    messages_under_way -= static_cast<int>(requests_.size());
  }

  void wait() override {
    if (requests_.empty()) return;
    std::vector<MPI_Status> statuses(requests_.size());
    const int code = MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), statuses.data());
    messages_under_way -= static_cast<int>(requests_.size());
    requests_.clear();
    check_mpi(code, "exchange");
    for (size_t i = 0; i < expected_.size(); ++i) {
      int count = 0;
      if (expected_[i] < 0) continue;
      MPI_Get_count(&statuses[i], MPI_BYTE, &count);
      if (count != expected_[i]) {
        fail_internal("exchange: " + std::to_string(count) + " bytes came where " + std::to_string(expected_[i]) +
                      " were expected");
      }
    }
  }

  void start(MPI_Comm comm, const Transfer& transfer, bool receive, int64_t message_bytes) {
    tensors_.push_back(transfer.tensor);
    const int64_t total = size_in_bytes(transfer.tensor);
    for (int64_t begin = 0; begin < total || begin == 0; begin += message_bytes) {
      const int count = static_cast<int>(std::min(message_bytes, total - begin));
      std::byte* data = bytes_of(transfer.tensor) + begin;
      requests_.push_back(MPI_REQUEST_NULL);
      expected_.push_back(receive ? count : -1);
      ++messages_under_way;
      check_mpi(receive ? MPI_Irecv(data, count, MPI_BYTE, transfer.peer, 0, comm, &requests_.back())
                        : MPI_Isend(data, count, MPI_BYTE, transfer.peer, 0, comm, &requests_.back()),
                "exchange");
    }
  }

 private:
  std::vector<MPI_Request> requests_;
  std::vector<int> expected_;  // bytes to receive; -1 for a send
  std::vector<at::Tensor> tensors_;
};

}  // namespace

void check_mpi(int code, const char* operation) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(ExitCode::rank_failed, std::string("MPI failed in ") + operation + ": " + text);
}

std::optional<SharedWindow> allocate_window(MPI_Comm comm, int64_t bytes) {
  int rank = 0, size = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &size);
  int64_t total = 0;
  int possible = !__builtin_mul_overflow(bytes, int64_t{size}, &total) && shared_memory_available(total) ? 1 : 0;
  check_mpi(MPI_Bcast(&possible, 1, MPI_INT, 0, comm), "allocate");
  if (possible == 0) return std::nullopt;

  MPI_Info info = MPI_INFO_NULL;
  MPI_Info_create(&info);
  MPI_Info_set(info, "alloc_shared_noncontig", "true");  // every rank's part begins on a page of its own
  SharedWindow result;
  result.bytes = bytes;
  std::byte* own = nullptr;
  const int code = MPI_Win_allocate_shared(bytes, 1, info, comm, &own, &result.window);
  MPI_Info_free(&info);
  int good = code == MPI_SUCCESS ? 1 : 0, all_good = 0;
  check_mpi(MPI_Allreduce(&good, &all_good, 1, MPI_INT, MPI_MIN, comm), "allocate");
  if (all_good == 0) return std::nullopt;
  live_windows.push_back(result.window);
  check_mpi(MPI_Win_lock_all(MPI_MODE_NOCHECK, result.window), "allocate");
  std::memset(own, 0, static_cast<size_t>(bytes));  // also puts the pages near the core that owns them
  for (int peer = 0; peer < size; ++peer) {
    MPI_Aint peer_bytes = 0;
    int unit = 1;
    std::byte* base = nullptr;
    check_mpi(MPI_Win_shared_query(result.window, peer, &peer_bytes, &unit, &base), "allocate");
    result.bases.push_back(base);
  }
  check_mpi(MPI_Barrier(comm), "allocate");
  return result;
}

void free_window(SharedWindow& window) {
  std::erase(live_windows, window.window);
  MPI_Win_unlock_all(window.window);
  check_mpi(MPI_Win_free(&window.window), "free");
}

void free_all_windows() {
  for (MPI_Win& window : live_windows) {
    MPI_Win_unlock_all(window);
    MPI_Win_free(&window);
  }
  live_windows.clear();
}

PendingPtr exchange_messages(MPI_Comm comm, const std::vector<Transfer>& sends, const std::vector<Transfer>& receives,
                             int64_t message_bytes) {
  auto messages = std::make_unique<Messages>();
  for (const Transfer& receive : receives) messages->start(comm, receive, true, message_bytes);
  for (const Transfer& send : sends) messages->start(comm, send, false, message_bytes);
  return messages;
}

void progress_messages() {
  if (messages_under_way.load(std::memory_order_relaxed) == 0) return;
  int found = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
}

}  // namespace plumb::parallel
