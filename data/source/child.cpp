#include "data/source/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/error.h"

namespace plumb::data {

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMostErrors = 4096;

class Pipe {
 public:
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ExitCode::out_of_resources, std::string("no pipe to a child process: ") + std::strerror(errno));
    }
    read_ = ends[0], write_ = ends[1];
  }
  ~Pipe() { close_read(), close_write(); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return read_; }
  int write_end() const { return write_; }
  void close_read() { close(read_); }
  void close_write() { close(write_); }

 private:
  static void close(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }
  int read_ = -1, write_ = -1;
};

void limit(int what, uint64_t most) {
  const rlimit both{most, most};
  ::setrlimit(static_cast<__rlimit_resource_t>(what), &both);
}

// Between fork and exec: only calls that are safe there (other threads of this process may have held any lock).
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, int output, int errors,
                         pid_t parent, const ChildLimits& limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(errors, 2) < 0) ::_exit(126);
  ::syscall(SYS_close_range, 3u, ~0u, 0u);
  limit(RLIMIT_AS, limits.memory);
  const auto seconds = static_cast<rlim_t>(limits.seconds < 1 ? 1 : limits.seconds);
  const rlimit processor{seconds, seconds + 2};  // first SIGXCPU, by which one sees that it was this limit
  ::setrlimit(RLIMIT_CPU, &processor);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_CORE, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execve(program, arguments, environment);
  ::_exit(127);
}

// Takes what is there; false at the end of the stream.
bool drain(int fd, std::string& into, uint64_t most) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (into.size() < most) into.append(buffer.data(), std::min<uint64_t>(static_cast<uint64_t>(n), most - into.size()));
  return n > 0;
}

// Reads both streams until they end, or a limit is passed.
ChildResult::End listen(const Pipe& output, const Pipe& errors, const ChildLimits& limits, Clock::time_point deadline,
                        ChildResult& result) {
  std::array<pollfd, 2> streams{{{output.read_end(), POLLIN, 0}, {errors.read_end(), POLLIN, 0}}};
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return ChildResult::End::too_slow;
    const int ready = ::poll(streams.data(), streams.size(), static_cast<int>(std::min<int64_t>(left, 1000)));
    if (ready <= 0) continue;
    if (streams[0].revents && !drain(streams[0].fd, result.output, limits.output + 1)) streams[0].fd = -1;
    if (streams[1].revents && !drain(streams[1].fd, result.errors, kMostErrors)) streams[1].fd = -1;
    if (result.output.size() > limits.output) return ChildResult::End::too_much_output;
  }
  return ChildResult::End::exited;
}

// Waits until the deadline, then ends the child's whole group.
int reap(pid_t child, ChildResult::End& end, Clock::time_point deadline) {
  int status = 0;
  if (end == ChildResult::End::exited) {
    for (auto pause = std::chrono::microseconds(100);; pause = std::min(pause * 2, std::chrono::microseconds(20000))) {
      const pid_t done = ::waitpid(child, &status, WNOHANG);
      if (done == child) break;
      if (Clock::now() > deadline) {
        end = ChildResult::End::too_slow;
        break;
      }
      std::this_thread::sleep_for(pause);
    }
  }
  ::kill(-child, SIGKILL);
  if (end != ChildResult::End::exited) {
    ::kill(child, SIGKILL);
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  return status;
}

}  // namespace

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string folders = path ? path : "/usr/local/bin:/usr/bin:/bin";
  for (size_t at = 0; at <= folders.size();) {
    const size_t end = std::min(folders.find(':', at), folders.size());
    if (end > at && folders[at] == '/') {
      const std::string file = folders.substr(at, end - at) + "/" + name;
      if (::access(file.c_str(), X_OK) == 0) return file;
    }
    at = end + 1;
  }
  return "";
}

ChildResult run_child(const std::string& program, const std::vector<std::string>& arguments,
                      const ChildLimits& limits) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const char* library_path = std::getenv("LD_LIBRARY_PATH");  // unpacked packages are found through it
  std::vector<std::string> variables = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8"};
  if (library_path) variables.push_back(std::string("LD_LIBRARY_PATH=") + library_path);
  std::vector<char*> argv, environment;
  for (auto& word : words) argv.push_back(word.data());
  for (auto& variable : variables) environment.push_back(variable.data());
  argv.push_back(nullptr), environment.push_back(nullptr);

  Pipe output, errors;
  ChildResult result;
  const pid_t parent = ::getpid();
  const auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(limits.patience * 1000));
  const pid_t child = ::fork();
  if (child < 0) {
    throw Error(ExitCode::out_of_resources, std::string("no child process: ") + std::strerror(errno), program);
  }
  if (child == 0) {
    become(words[0].c_str(), argv.data(), environment.data(), output.write_end(), errors.write_end(), parent, limits);
  }
  output.close_write(), errors.close_write();
  result.end = listen(output, errors, limits, deadline, result);
  const int status = reap(child, result.end, deadline);
  if (result.end != ChildResult::End::exited) return result;
  if (WIFSIGNALED(status)) {
    result.end = ChildResult::End::signalled, result.status = WTERMSIG(status);
    if (result.status == SIGXCPU) result.end = ChildResult::End::too_slow;
  } else {
    result.status = WEXITSTATUS(status);
  }
  return result;
}

}  // namespace plumb::data
