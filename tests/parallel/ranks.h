// Runs a function on ranks that are threads, and brings the first failure back to the test.
#pragma once

#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"
#include "parallel/threads_communicator.h"

namespace plumb::parallel {

inline void run_ranks(int ranks, const std::function<void(CommunicatorPtr)>& body, ThreadOptions options = {}) {
  const auto communicators = make_thread_communicators(ranks, options);
  std::exception_ptr first;  // in time: what the others throw follows from it
  std::once_flag failed;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      const auto index = static_cast<size_t>(rank);
      try {
        body(communicators[index]);
      } catch (...) {
        std::call_once(failed, [&] { first = std::current_exception(); });
        communicators[index]->abort(4, "rank " + std::to_string(rank) + " threw");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace plumb::parallel
