// Requests from outside: SIGUSR1 and SIGTERM ask for a checkpoint and an end with code 75.
#pragma once

namespace plumb::run {

void install_signal_handlers();
bool stop_requested();      // this rank was asked; the loop agrees with the others
const char* stop_signal();  // "SIGUSR1", "SIGTERM" or ""
void request_stop();        // tests

}  // namespace plumb::run
