#include "trainer/run/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <initializer_list>

#include "core/error.h"
#include "core/log.h"
#include "core/status_line.h"

namespace plumb::run {

namespace {

std::atomic<int> requested{0};
std::atomic<const char*> last_words{nullptr};  // null: remember
std::atomic<bool> speaks{false};

const char* name_of(int signal) {
  return signal == SIGUSR1 ? "SIGUSR1" : signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "";
}

// Only what POSIX allows in a handler.
void tell(std::initializer_list<const char*> parts) {
  if (!speaks.load()) return;
  if (core::status_line_shown() && ::write(STDERR_FILENO, core::clear_line, std::strlen(core::clear_line)) < 0) return;
  for (const char* part : parts) {
    if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) return;
  }
}

void handle(int signal) {
  const char* const text = last_words.load();
  if (text == nullptr) {
    requested.store(signal);
    if (signal == SIGINT) tell({"stopping  after this step, which is saved; a second Ctrl-C ends at once\n"});
    return;
  }
  tell({"stopped   on ", name_of(signal), " ", text, "\n"});
  ::_exit(static_cast<int>(ExitCode::stopped));
}

}  // namespace

void stop_at_once(const char* text) {
  speaks.store(core::is_main_rank());
  last_words.store(text);
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;  // started in the background: the terminal's Ctrl-C is not meant for it
  action.sa_flags |= static_cast<int>(SA_RESETHAND);  // the second one ends at once
  sigaction(SIGINT, &action, nullptr);
}

void stop_after_a_step() { last_words.store(nullptr); }

bool stop_requested() { return requested.load() != 0; }

const char* stop_signal() { return name_of(requested.load()); }

}  // namespace plumb::run
