// Runs a function on ranks that are threads, and brings the first failure back to the test.
#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "core/error.h"
#include "parallel/threads_communicator.h"

namespace plumb::parallel {

inline void run_ranks(int ranks, const std::function<void(CommunicatorPtr)>& body, ThreadOptions options = {}) {
  const auto communicators = make_thread_communicators(ranks, options);
  std::vector<std::exception_ptr> failures(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto index = static_cast<size_t>(rank);
      try {
        body(communicators[index]);
      } catch (...) {
        failures[index] = std::current_exception();
        communicators[index]->abort(4, "rank " + std::to_string(rank) + " threw");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace plumb::parallel
