#include "parallel/watch.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <list>
#include <mutex>
#include <thread>
#include <type_traits>

#include "core/error.h"

namespace plumb::parallel {
namespace {

using Clock = std::chrono::steady_clock;

// One thread for a watched communicator and all that were split from it.
class Monitor {
 public:
  struct Record {
    const char* operation;
    Clock::time_point start;
    CommunicatorPtr communicator;
  };
  using Handle = std::list<Record>::iterator;

  Monitor(CommunicatorPtr root, WatchOptions options)
      : root_(std::move(root)), options_(std::move(options)), rank_(root_->rank()), host_(root_->host(rank_)) {
    communicators_.push_back(root_);
    thread_ = std::thread([this] { run(); });
  }

  ~Monitor() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    news_.notify_all();
    thread_.join();
  }

  Handle begin(const char* operation, const CommunicatorPtr& communicator) {
    const std::lock_guard lock(mutex_);
    return records_.insert(records_.end(), {operation, Clock::now(), communicator});
  }
  void end(Handle record) {
    const std::lock_guard lock(mutex_);
    records_.erase(record);
  }
  void add(const CommunicatorPtr& communicator) {
    const std::lock_guard lock(mutex_);
    communicators_.push_back(communicator);
  }
  void set_step(int64_t step) { step_ = step; }

  // Ends the job because a call threw; returns where communicators can be aborted without ending the process.
  void failed(const char* operation, Communicator& communicator, ExitCode code, const std::string& what) {
    if (over_.exchange(true)) return;
    finish(communicator, static_cast<int>(code), who() + " failed in " + operation + at_step() + ": " + what);
  }

 private:
  std::string who() const { return "rank " + std::to_string(rank_) + " (host " + host_ + ")"; }
  std::string at_step() const {
    const int64_t step = step_;
    return step < 0 ? std::string(" before the first step") : " of step " + std::to_string(step);
  }

  void finish(Communicator& communicator, int code, const std::string& message) {
    if (options_.report) options_.report(message);
    root_->abort(code, message);
    if (&communicator != root_.get()) communicator.abort(code, message);
  }

  void stalled(Communicator& communicator, const std::string& operation, double seconds) {
    if (over_.exchange(true)) return;
    const std::string missing = communicator.missing();
    std::array<char, 32> duration{};
    std::snprintf(duration.data(), duration.size(), "%.3g", seconds);
    std::string message =
        who() + " has waited " + duration.data() + " s in " + operation + at_step() + ": another rank is stuck or gone";
    if (!missing.empty()) {
      message += " (not there: rank " + missing + " of " + std::to_string(communicator.size()) + ")";
    }
    finish(communicator, static_cast<int>(ExitCode::rank_failed), message);
  }

  // What is wrong now, if anything; called under the lock, answered outside it.
  std::function<void()> look() {
    for (const Record& record : records_) {
      const double seconds = std::chrono::duration<double>(Clock::now() - record.start).count();
      if (seconds < options_.timeout_seconds) continue;
      return
          [this, record, seconds] { stalled(*record.communicator, record.operation, seconds); };  // a copy: it may end
    }
    for (const auto& weak : communicators_) {
      const CommunicatorPtr communicator = weak.lock();
      if (!communicator) continue;
      if (const std::string fault = communicator->fault(); !fault.empty()) {
        return [this, communicator, fault] {
          failed("the device's communication", *communicator, ExitCode::rank_failed, fault);
        };
      }
      const auto running = communicator->running();
      if (!running || running->seconds < options_.timeout_seconds) continue;
      return [this, communicator, running] { stalled(*communicator, running->operation, running->seconds); };
    }
    return nullptr;
  }

  void run() {
    const auto pause = std::chrono::duration<double>(std::clamp(options_.timeout_seconds / 10, 0.01, 1.0));
    std::unique_lock lock(mutex_);
    while (!news_.wait_for(lock, pause, [this] { return ended_; })) {
      const auto trouble = look();
      if (!trouble) continue;
      lock.unlock();
      trouble();
      lock.lock();
      if (over_) break;
    }
  }

  const CommunicatorPtr root_;
  const WatchOptions options_;
  const int rank_;
  const std::string host_;
  std::atomic<int64_t> step_{-1};
  std::atomic<bool> over_{false};
  std::mutex mutex_;  // guards what follows
  std::condition_variable news_;
  std::list<Record> records_;
  std::vector<std::weak_ptr<Communicator>> communicators_;
  bool ended_ = false;
  std::thread thread_;
};

// Runs one call under the monitor's eyes.
template <class F>
auto guarded(Monitor& monitor, const CommunicatorPtr& communicator, const char* operation, F&& call) {
  struct Scope {
    Monitor& monitor;
    Monitor::Handle record;
    ~Scope() { monitor.end(record); }
  } scope{monitor, monitor.begin(operation, communicator)};
  try {
    return call();
  } catch (const Error& error) {
    monitor.failed(operation, *communicator, error.code(), error.message());
    throw;
  } catch (const std::exception& error) {
    monitor.failed(operation, *communicator, ExitCode::internal, error.what());
    throw;
  }
}

class WatchedPending : public Pending {
 public:
  WatchedPending(PendingPtr inner, std::shared_ptr<Monitor> monitor, CommunicatorPtr communicator,
                 const char* operation)
      : inner_(std::move(inner)),
        monitor_(std::move(monitor)),
        communicator_(std::move(communicator)),
        operation_(operation) {}
  void wait() override {
    guarded(*monitor_, communicator_, operation_, [&] { inner_->wait(); });
  }

 private:
  PendingPtr inner_;
  std::shared_ptr<Monitor> monitor_;
  CommunicatorPtr communicator_;
  const char* operation_;
};

class WatchedCommunicator : public Communicator {
 public:
  WatchedCommunicator(CommunicatorPtr inner, std::shared_ptr<Monitor> monitor)
      : inner_(std::move(inner)), monitor_(std::move(monitor)) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  at::Device device() const override { return inner_->device(); }
  std::string name() const override { return inner_->name(); }
  std::string host(int rank) const override { return inner_->host(rank); }
  std::string missing() const override { return inner_->missing(); }
  std::string fault() const override { return inner_->fault(); }
  std::optional<Running> running() override { return inner_->running(); }

  at::Tensor allocate(int64_t bytes) override {
    return run("allocate", [&] { return inner_->allocate(bytes); });
  }
  void all_reduce(at::Tensor tensor, ReduceOptions options) override {
    run("all_reduce", [&] { inner_->all_reduce(tensor, options); });
  }
  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) override {
    return start("reduce_scatter", [&] { return inner_->reduce_scatter(output, input, options); });
  }
  PendingPtr all_gather(at::Tensor output, at::Tensor input) override {
    return start("all_gather", [&] { return inner_->all_gather(output, input); });
  }
  void broadcast(at::Tensor tensor, int root) override {
    run("broadcast", [&] { inner_->broadcast(tensor, root); });
  }
  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                  const std::vector<int64_t>& send_counts) override {
    run("all_to_all", [&] { inner_->all_to_all(output, input, receive_counts, send_counts); });
  }
  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    return start("exchange", [&] { return inner_->exchange(sends, receives); });
  }
  void barrier() override {
    run("barrier", [&] { inner_->barrier(); });
  }
  std::shared_ptr<Communicator> split(int color, int key) override {
    auto part = run("split", [&] { return inner_->split(color, key); });
    if (!part) return nullptr;
    monitor_->add(part);
    return std::make_shared<WatchedCommunicator>(std::move(part), monitor_);
  }
  void abort(int code, const std::string& why) override { inner_->abort(code, why); }

  Monitor& monitor() { return *monitor_; }

 private:
  template <class F>
  std::invoke_result_t<F> run(const char* operation, F&& call) {
    return guarded(*monitor_, inner_, operation, std::forward<F>(call));
  }
  template <class F>
  PendingPtr start(const char* operation, F&& call) {
    PendingPtr pending = run(operation, std::forward<F>(call));
    return std::make_unique<WatchedPending>(std::move(pending), monitor_, inner_, operation);
  }

  CommunicatorPtr inner_;
  std::shared_ptr<Monitor> monitor_;
};

}  // namespace

CommunicatorPtr watch(CommunicatorPtr inner, WatchOptions options) {
  if (!(options.timeout_seconds > 0)) fail_internal("a watch needs a timeout above zero");
  auto monitor = std::make_shared<Monitor>(inner, std::move(options));
  return std::make_shared<WatchedCommunicator>(std::move(inner), std::move(monitor));
}

void set_step(Communicator& communicator, int64_t step) {
  if (auto* watched = dynamic_cast<WatchedCommunicator*>(&communicator)) watched->monitor().set_step(step);
}

}  // namespace plumb::parallel
