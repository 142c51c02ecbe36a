// Progress of one phase, counted by any thread and shown now and then by one.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "data/dataset.h"

namespace plumb::data {

class Meter {
 public:
  explicit Meter(const Progress& progress) : progress_(progress) {}
  // A new phase; total 0: unknown.
  void start(std::string phase, uint64_t total, std::string unit) {
    const std::lock_guard lock(mutex_);
    now_ = {std::move(phase), 0, static_cast<int64_t>(total), std::move(unit), ""};
    shown_ = {};
  }
  void add(uint64_t amount) {
    const std::lock_guard lock(mutex_);
    now_.done += static_cast<int64_t>(amount);
    show();
  }
  void set(uint64_t amount, const std::string& note = "") {
    const std::lock_guard lock(mutex_);
    now_.done = static_cast<int64_t>(amount), now_.note = note;
    show();
  }
  void finish() {
    const std::lock_guard lock(mutex_);
    now_.done = now_.total;
    if (progress_) progress_(now_);
  }

 private:
  void show() {
    const auto now = std::chrono::steady_clock::now();
    if (!progress_ || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    progress_(now_);
  }
  const Progress& progress_;
  std::mutex mutex_;
  BuildProgress now_;
  std::chrono::steady_clock::time_point shown_;
};

}  // namespace plumb::data
