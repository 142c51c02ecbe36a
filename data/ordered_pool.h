// Work done by threads, results taken in the order of submission: what comes out does not depend on the thread count.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace plumb::data {

// `work` runs on the pool's threads, `take` on the submitting one. With one thread both run there. An exception of
// `work` comes out of submit() or finish() at its place in the order.
template <class In, class Out>
class OrderedPool {
 public:
  OrderedPool(int threads, std::function<Out(In&&)> work, std::function<void(Out&&)> take)
      : work_(std::move(work)), take_(std::move(take)), most_in_flight_(static_cast<size_t>(threads) * 4) {
    for (int i = 0; threads > 1 && i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~OrderedPool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  OrderedPool(const OrderedPool&) = delete;
  OrderedPool& operator=(const OrderedPool&) = delete;

  void submit(In&& in) {
    if (threads_.empty()) return take_(work_(std::move(in)));
    auto job = std::make_shared<Job>();
    job->in = std::move(in);
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(job), in_flight_.push_back(job);
    }
    changed_.notify_all();
    while (in_flight_.size() >= most_in_flight_) take_front();
  }
  void finish() {
    while (!in_flight_.empty()) take_front();
  }

 private:
  struct Job {
    In in;
    Out out;
    std::exception_ptr error;
    bool done = false;
  };

  void take_front() {
    auto job = in_flight_.front();
    in_flight_.pop_front();
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return job->done; });
    }
    if (job->error) std::rethrow_exception(job->error);
    take_(std::move(job->out));
  }

  void run() {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
        if (stop_) return;
        job = waiting_.front();
        waiting_.pop_front();
      }
      try {
        job->out = work_(std::move(job->in));
      } catch (...) {
        job->error = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex_);
        job->done = true;
      }
      changed_.notify_all();
    }
  }

  std::function<Out(In&&)> work_;
  std::function<void(Out&&)> take_;
  size_t most_in_flight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> waiting_, in_flight_;  // in_flight_ belongs to the submitting thread
  std::vector<std::thread> threads_;
  bool stop_ = false;
};

}  // namespace plumb::data
