// Processes that work on one folder without talking: each does its share, writes files that commit atomically, and
// looks for those of the others. What is written depends on nothing but the input, so that doing a share twice harms
// nobody; hence whoever is left takes over from whoever has vanished.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace plumb::data {

class Crew {
 public:
  struct Options {
    int part = 0, parts = 1;
    // Seconds without a sign of life after which a process of another host counts as vanished. Network file systems
    // show what others write up to a minute late.
    double patience = 90;
  };
  // `folder` is seen by all and holds nothing but signs of life; it goes with the last process. With one part nothing
  // is written.
  Crew(std::filesystem::path folder, Options options);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  int part() const { return options_.part; }
  int parts() const { return options_.parts; }

  using Tasks = std::vector<size_t>;
  // Returns when every task in [0, count) is done. Task i belongs to part i % parts. `work` gets this process's own
  // tasks that are not done yet, later those of vanished processes. `waiting` is called now and then with the number
  // of the first task that another part has not done yet.
  void share(size_t count, const std::function<bool(size_t)>& done, const std::function<void(const Tasks&)>& work,
             const std::function<void(size_t)>& waiting = {});
  // Waits until `done`, or until this process is the first of those still there: then it does the work itself.
  void lead(const std::function<bool()>& done, const std::function<void()>& work);

 private:
  struct Seen {
    std::string sign;
    std::chrono::steady_clock::time_point since;
    bool told = false;
  };
  bool vanished(int part);
  std::filesystem::path file(int part) const;
  void give_sign(uint64_t number) const;
  void live();

  std::filesystem::path folder_;
  Options options_;
  std::map<int, Seen> seen_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread heart_;
};

// The right to build one thing, held by one process of this machine (or of all, where the file system shares locks).
// Goes with its process. Where there are no locks at all everybody has it: builders then race, and the first to commit
// wins.
class BuildLock {
 public:
  BuildLock(const std::filesystem::path& file, const std::function<void()>& on_wait);  // waits while another has it
  ~BuildLock();
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace plumb::data
