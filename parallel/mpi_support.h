// What the MPI communicators share: error codes as Errors, shared windows, messages of any size.
#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "parallel/communicator.h"

namespace plumb::parallel {

// Error(rank_failed) with MPI's own words.
void check_mpi(int code, const char* operation);

// Memory that all ranks of a communicator on one host see.
struct SharedWindow {
  MPI_Win window = MPI_WIN_NULL;
  int64_t bytes = 0;                                                                       // of each rank
  std::vector<std::byte*> bases;                                                           // by rank
  std::shared_ptr<std::atomic<bool>> unused = std::make_shared<std::atomic<bool>>(false);  // no tensor refers to it
};
// Collective. None (on all ranks alike) where the host has not enough shared memory.
std::optional<SharedWindow> allocate_window(MPI_Comm comm, int64_t bytes);
void free_window(SharedWindow& window);  // collective
// Before MPI ends: collective, in the order of creation.
void free_all_windows();

// Point-to-point messages; any size, in pieces of `message_bytes`.
PendingPtr exchange_messages(MPI_Comm comm, const std::vector<Transfer>& sends, const std::vector<Transfer>& receives,
                             int64_t message_bytes);
// Lets messages under way go on; cheap when there are none. For waits outside MPI.
void progress_messages();

}  // namespace plumb::parallel
