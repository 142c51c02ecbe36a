// SIGUSR1, SIGTERM and SIGINT (Ctrl-C) ask a run to stop; a second SIGINT ends it at once.
#pragma once

namespace plumb::run {

// From now on a request ends this process at once with code 75: before the first step, and after the last one is saved,
// nothing would be lost. `text` says so, printed by the main rank; it must outlive the process.
void stop_at_once(const char* text);
// From now on a request is remembered for the loop, which agrees with the other ranks and saves before it stops.
void stop_after_a_step();
bool stop_requested();      // remembered on this rank
const char* stop_signal();  // "SIGUSR1", "SIGTERM", "SIGINT" or ""

}  // namespace plumb::run
