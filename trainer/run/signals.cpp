#include "trainer/run/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

#include "core/error.h"
#include "core/log.h"

namespace plumb::run {

namespace {

std::atomic<int> requested{0};
std::atomic<const char*> last_words{nullptr};  // null: remember
std::atomic<bool> speaks{false};

const char* name_of(int signal) { return signal == SIGUSR1 ? "SIGUSR1" : signal == SIGTERM ? "SIGTERM" : ""; }

// Only what POSIX allows in a handler.
void handle(int signal) {
  const char* const text = last_words.load();
  if (text == nullptr) return requested.store(signal);
  if (speaks.load()) {
    for (const char* part : {"stopped   on ", name_of(signal), " ", text, "\n"}) {
      if (::write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
    }
  }
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
}

void stop_after_a_step() { last_words.store(nullptr); }

bool stop_requested() { return requested.load() != 0; }

const char* stop_signal() { return name_of(requested.load()); }

}  // namespace plumb::run
