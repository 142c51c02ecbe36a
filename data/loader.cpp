#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/error.h"

namespace plumb::data {

struct Loader::State {
  const RowStream& rows;
  Slices slices;
  int64_t end_step;
  size_t ahead;
  int64_t wanted;  // the step that next() gives

  struct Step {
    std::vector<Batch> batches;
    std::exception_ptr failure;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Step> ready;
  bool stop = false;
  std::thread thread;

  Step read(int64_t step) const;
  void run(int64_t first_step);
};

Loader::State::Step Loader::State::read(int64_t step) const {
  Step result;
  try {
    Slice slice = slices(step);
    for (const int64_t count : slice.micro_batches) {
      result.batches.push_back(rows.batch(slice.first, count));
      slice.first += static_cast<uint64_t>(count);
    }
  } catch (...) {
    result.failure = std::current_exception();
  }
  return result;
}

void Loader::State::run(int64_t first_step) {
  for (int64_t step = first_step; step < end_step; ++step) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stop || ready.size() < ahead; });
      if (stop) return;
    }
    Step result = read(step);
    const bool failed = result.failure != nullptr;
    {
      const std::lock_guard lock(mutex);
      ready.push_back(std::move(result));
    }
    changed.notify_all();
    if (failed) return;  // what follows an error is never asked for
  }
}

Loader::Loader(const RowStream& rows, Slices slices, int64_t first_step, int64_t end_step, size_t ahead)
    : state_(
          new State{rows, std::move(slices), end_step, std::max<size_t>(ahead, 1), first_step, {}, {}, {}, false, {}}) {
  state_->thread = std::thread([state = state_.get(), first_step] { state->run(first_step); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

std::vector<Batch> Loader::next() {
  auto& state = *state_;
  if (state.wanted >= state.end_step) fail_internal("the loader was asked for a step after the last one");
  State::Step step;
  {
    std::unique_lock lock(state.mutex);
    state.changed.wait(lock, [&] { return !state.ready.empty(); });
    if (state.ready.front().failure) std::rethrow_exception(state.ready.front().failure);  // stays: so does the error
    step = std::move(state.ready.front());
    state.ready.pop_front();
  }
  ++state.wanted;
  state.changed.notify_all();
  return std::move(step.batches);
}

}  // namespace plumb::data
