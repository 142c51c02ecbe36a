#include "data/build/crew.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/log.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
constexpr auto kPoll = std::chrono::milliseconds(50);

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

Crew::Crew(fs::path folder, Options options) : folder_(std::move(folder)), options_(options) {
  if (options_.parts < 1 || options_.part < 0 || options_.part >= options_.parts) fail_internal("part of parts");
  if (options_.parts == 1) return;
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) fail_input(folder_, "cannot be created: " + code.message());
  for (int peer = 0; peer < options_.parts; ++peer) seen_[peer].since = Clock::now();
  give_sign(0);
  heart_ = std::thread([this] { live(); });
}

Crew::~Crew() {
  if (!heart_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  heart_.join();
  std::error_code gone;
  fs::remove(file(options_.part), gone);
  fs::remove(folder_, gone);  // only when it is empty
}

fs::path Crew::file(int part) const { return folder_ / ("alive-" + std::to_string(part)); }

// Not on disk, only visible: what a crash takes away was no longer true.
void Crew::give_sign(uint64_t number) const {
  const auto temporary = folder_ / (".alive-" + std::to_string(options_.part) + "-" + std::to_string(::getpid()));
  std::ofstream(temporary) << host_name() << " " << ::getpid() << " " << number << "\n";
  std::error_code gone;
  fs::rename(temporary, file(options_.part), gone);
  if (gone) fs::remove(temporary, gone);
}

void Crew::live() {
  std::unique_lock lock(mutex_);
  for (uint64_t number = 1; !stop_; ++number) {
    changed_.wait_for(lock, std::chrono::duration<double>(std::min(2.0, options_.patience / 4)), [&] { return stop_; });
    if (!stop_) give_sign(number);
  }
}

bool Crew::vanished(int part) {
  if (part == options_.part) return false;
  auto& seen = seen_[part];
  std::string sign;
  std::getline(std::ifstream(file(part)), sign);
  const auto now = Clock::now();
  if (sign != seen.sign) seen = {sign, now, false};
  std::istringstream words(sign);
  std::string host;
  long pid = 0;
  words >> host >> pid;
  const bool dead = pid > 0 && host == host_name() && ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
  const double silent = std::chrono::duration<double>(now - seen.since).count();
  if (!dead && silent < options_.patience) return false;
  if (!seen.told) {
    core::log(core::Level::warning,
              fmt::format("process {} of {} ({}) {}: its share of the build is taken over", part, options_.parts,
                          sign.empty() ? "never seen" : fmt::format("host {}, pid {}", host, pid),
                          dead ? "is gone" : fmt::format("gave no sign of life for {:.0f} s", silent)));
    seen.told = true;
  }
  return true;
}

void Crew::share(size_t count, const std::function<bool(size_t)>& done, const std::function<void(const Tasks&)>& work,
                 const std::function<void(size_t)>& waiting) {
  const auto parts = static_cast<size_t>(options_.parts);
  const auto do_all_of = [&](int part) {
    Tasks tasks;
    for (auto task = static_cast<size_t>(part); task < count; task += parts) {
      if (!done(task)) tasks.push_back(task);
    }
    if (!tasks.empty()) work(tasks);
  };
  do_all_of(options_.part);
  for (size_t task = 0; parts > 1 && task < count;) {
    const int owner = static_cast<int>(task % parts);
    if (done(task)) {
      ++task;
    } else if (vanished(owner)) {
      do_all_of(owner);
    } else {
      if (waiting) waiting(task);
      std::this_thread::sleep_for(kPoll);
    }
  }
}

void Crew::lead(const std::function<bool()>& done, const std::function<void()>& work) {
  for (;;) {
    if (done()) return;
    bool first = true;
    for (int peer = 0; peer < options_.part && first; ++peer) first = vanished(peer);
    if (first) return work();
    std::this_thread::sleep_for(kPoll);
  }
}

BuildLock::BuildLock(const fs::path& file, const std::function<void()>& on_wait) {
  std::error_code code;
  fs::create_directories(file.parent_path(), code);
  if (code) {
    throw Error(code == std::errc::no_space_on_device ? ExitCode::out_of_resources : ExitCode::bad_input,
                "cannot be created: " + code.message(), file.parent_path(),
                "data.cache=FOLDER puts the cache elsewhere");
  }
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_input(file.parent_path(), std::string("cannot be written: ") + std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  if (on_wait) on_wait();
  while (::flock(fd_, LOCK_EX) != 0 && errno == EINTR) continue;
}

BuildLock::~BuildLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace plumb::data
