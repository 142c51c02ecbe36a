#include "parallel/team.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/error.h"

namespace plumb::parallel {
namespace {

constexpr int64_t kLine = 64;
constexpr size_t kReasonBytes = 1024;

int64_t round_up(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Waits first in the core, then by giving it away, then asleep: short collectives stay fast, and a rank that waits for
// minutes (another one writes a checkpoint) does not take a core from it.
class Backoff {
 public:
  void pause() {
    ++turns_;
    if (turns_ < 2000) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    } else if (turns_ < 4000) {
      sched_yield();
    } else {
      const timespec nap{0, turns_ < 20000 ? 20'000 : 500'000};
      nanosleep(&nap, nullptr);
    }
  }

 private:
  int64_t turns_ = 0;
};

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::barrier:
      return "barrier";
    case Operation::all_reduce:
      return "all_reduce";
    case Operation::reduce_scatter:
      return "reduce_scatter";
    case Operation::all_gather:
      return "all_gather";
    case Operation::broadcast:
      return "broadcast";
    case Operation::all_to_all:
      return "all_to_all";
    case Operation::split:
      return "split";
    case Operation::allocate:
      return "allocate";
  }
  return "unknown";
}

struct alignas(kLine) Team::Control {
  std::atomic<uint32_t> arrived{0};
  alignas(kLine) std::atomic<uint32_t> generation{0};
  alignas(kLine) std::atomic<int32_t> aborted{0};  // 0 no, -1 the reason is being written, else the code
  char reason[kReasonBytes] = {};
};

struct alignas(kLine) Team::Slot {
  std::atomic<uint64_t> arrivals{0};
  std::atomic<bool> busy{false};  // from meet() to the next barrier: may be reading others' tensors
  Call call;
};

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

int64_t Team::bytes_needed(int size) {
  return static_cast<int64_t>(sizeof(Control) + sizeof(Slot) * static_cast<size_t>(size)) +
         round_up(int64_t{8} * size * size);
}

void Team::construct(std::byte* memory, int size) {
  new (memory) Control;
  for (int rank = 0; rank < size; ++rank)
    new (memory + sizeof(Control) + sizeof(Slot) * static_cast<size_t>(rank)) Slot;
  std::memset(memory + sizeof(Control) + sizeof(Slot) * static_cast<size_t>(size), 0,
              8 * static_cast<size_t>(size) * static_cast<size_t>(size));
}

Team::Team(std::byte* memory, int rank, int size, void (*idle)())
    : memory_(memory), rank_(rank), size_(size), idle_(idle) {}

Team::Slot& Team::slot(int rank) const {
  return *std::launder(reinterpret_cast<Slot*>(memory_ + sizeof(Control) + sizeof(Slot) * static_cast<size_t>(rank)));
}

const Call& Team::call(int rank) const { return slot(rank).call; }

int64_t* Team::counts(int rank) {
  return reinterpret_cast<int64_t*>(memory_ + sizeof(Control) + sizeof(Slot) * static_cast<size_t>(size_)) +
         int64_t{rank} * size_;
}

void Team::barrier() {
  slot(rank_).busy.store(false, std::memory_order_release);
  arrive();
}

void Team::arrive() {
  Control& control = *std::launder(reinterpret_cast<Control*>(memory_));
  throw_if_aborted();
  const uint32_t generation = control.generation.load(std::memory_order_acquire);
  slot(rank_).arrivals.fetch_add(1, std::memory_order_relaxed);
  if (control.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(size_)) {
    control.arrived.store(0, std::memory_order_relaxed);
    control.generation.store(generation + 1, std::memory_order_release);
    return;
  }
  Backoff backoff;
  while (control.generation.load(std::memory_order_acquire) == generation) {
    throw_if_aborted();
    if (idle_ != nullptr) idle_();
    backoff.pause();
  }
}

void Team::meet(const Call& call) {
  slot(rank_).call = call;
  slot(rank_).busy.store(true, std::memory_order_release);  // before arriving: no moment is left uncovered
  arrive();
  for (int other = 0; other < size_; ++other) {
    const Call& first = slot(0).call;
    const Call& theirs = slot(other).call;
    if (theirs.agrees_with(first)) continue;
    const std::string message = "rank 0 called " + std::string(name_of(first.operation)) + " of " +
                                std::to_string(first.elements) + " elements, rank " + std::to_string(other) +
                                " called " + name_of(theirs.operation) + " of " + std::to_string(theirs.elements) +
                                (first.operation == theirs.operation && first.elements == theirs.elements
                                     ? " with another dtype, root or reduction"
                                     : "");
    barrier();  // all ranks have read the slots, all throw the same
    fail_internal(message);
  }
}

void Team::abort(int code, const std::string& why) {
  Control& control = *std::launder(reinterpret_cast<Control*>(memory_));
  int32_t expected = 0;
  if (!control.aborted.compare_exchange_strong(expected, -1, std::memory_order_acq_rel)) return;
  std::memcpy(control.reason, why.data(), std::min(why.size(), kReasonBytes - 1));
  control.aborted.store(code == 0 ? static_cast<int>(ExitCode::rank_failed) : code, std::memory_order_release);
}

void Team::throw_if_aborted() {
  Control& control = *std::launder(reinterpret_cast<Control*>(memory_));
  int32_t code = control.aborted.load(std::memory_order_acquire);
  if (code == 0) return;
  while (code == -1) code = control.aborted.load(std::memory_order_acquire);
  leave_safely();
  throw Error(static_cast<ExitCode>(code), control.reason);
}

// The caller is about to unwind and free its tensors: whoever still reads them must have finished.
void Team::leave_safely() {
  slot(rank_).busy.store(false, std::memory_order_release);
  for (int other = 0; other < size_; ++other) {
    Backoff backoff;
    while (slot(other).busy.load(std::memory_order_acquire)) backoff.pause();
  }
}

std::string Team::missing() const {
  const uint64_t own = slot(rank_).arrivals.load(std::memory_order_relaxed);
  std::string ranks;
  for (int other = 0; other < size_; ++other) {
    if (slot(other).arrivals.load(std::memory_order_relaxed) >= own) continue;
    ranks += (ranks.empty() ? "" : ", ") + std::to_string(other);
  }
  return ranks;
}

}  // namespace plumb::parallel
