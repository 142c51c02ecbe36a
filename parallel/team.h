// What ranks that share memory know of each other: a barrier, an abort flag, and what each of them has called. The same
// block serves threads (heap) and processes (a shared window): it holds no pointers and only lock-free atomics.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace plumb::parallel {

enum class Operation : int32_t {
  barrier,
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  all_to_all,
  split,
  allocate
};
const char* name_of(Operation operation);

// What one rank has called; equal on all ranks but for `handle` and `exposed`.
struct Call {
  Operation operation = Operation::barrier;
  int32_t dtype = 0;
  int64_t elements = 0;
  int64_t options = 0;   // root, reduction options
  int64_t handle = 0;    // where the others see this rank's tensor ...
  bool exposed = false;  // ... if they do
  bool agrees_with(const Call& other) const {
    return operation == other.operation && dtype == other.dtype && elements == other.elements &&
           options == other.options;
  }
};

class Team {
 public:
  static int64_t bytes_needed(int size);
  static void construct(std::byte* memory, int size);  // once, by one rank, before the others use it
  // `idle` is called now and then while a barrier waits (progress of messages under way); may be null.
  Team(std::byte* memory, int rank, int size, void (*idle)() = nullptr);

  int rank() const { return rank_; }
  int size() const { return size_; }

  // On return every rank has arrived, and what they wrote before is visible. Throws after an abort.
  void barrier();
  // Leaves `call` for the others, waits for theirs, and throws Error(internal) on all ranks when they differ.
  // Until the next barrier() the ranks may touch each other's tensors.
  void meet(const Call& call);
  const Call& call(int rank) const;
  int64_t* counts(int rank);  // [size] scratch of that rank, written before meet()

  // Every pending and later barrier of every rank throws Error(code, why). The first caller wins.
  void abort(int code, const std::string& why);
  void throw_if_aborted();
  std::string missing() const;  // "ranks 1, 3": arrived fewer times than this one

 private:
  struct Slot;
  struct Control;
  Slot& slot(int rank) const;
  void arrive();
  void leave_safely();
  std::byte* memory_;
  int rank_, size_;
  void (*idle_)();
};

}  // namespace plumb::parallel
