#include "trainer/run/signals.h"

#include <atomic>
#include <csignal>

namespace plumb::run {

namespace {
std::atomic<int> requested{0};
void remember(int signal) { requested.store(signal); }
}  // namespace

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = remember;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return requested.load() != 0; }

const char* stop_signal() {
  switch (requested.load()) {
    case SIGUSR1:
      return "SIGUSR1";
    case SIGTERM:
      return "SIGTERM";
    default:
      return "";
  }
}

void request_stop() { remember(SIGUSR1); }

}  // namespace plumb::run
