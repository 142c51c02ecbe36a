// The line below the log that redraws itself (a progress bar): lines of the log are printed above it.
#pragma once
#include <string>

namespace plumb::core {

inline constexpr const char* clear_line = "\r\x1b[K";  // back to its beginning, erase to its end

void show_status_line(const std::string& text);  // on standard error, without an end of line; "" takes it away
bool status_line_shown();                        // may be asked in a signal handler

}  // namespace plumb::core
