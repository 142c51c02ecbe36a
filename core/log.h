// Log lines on standard error, "rank host" prefixed when there is more than one rank; rank 0 only unless a rank has its
// own trouble. fmt formatting.
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace plumb::core {

enum class Level { debug, info, warning, error };
void set_rank(int rank, int ranks, const std::string& host);  // once, before threads start
int log_rank();
bool is_main_rank();
void log_to_file(const std::string& file);     // additionally (rank 0)
void log(Level level, std::string_view text);  // this rank speaks, whatever its number
void say(std::string_view text);               // rank 0 only, to standard error, no prefix

template <class... A>
void info(fmt::format_string<A...> f, A&&... a) {
  if (is_main_rank()) log(Level::info, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void warning(fmt::format_string<A...> f, A&&... a) {
  if (is_main_rank()) log(Level::warning, fmt::format(f, std::forward<A>(a)...));
}

// "1,234,567"  "1,234 documents", "1 document"  "16.0 GiB"  "3m12s"  "412k"
std::string with_commas(int64_t value);
std::string counted(int64_t count, std::string_view plural);
std::string human_bytes(double bytes);
std::string human_duration(double seconds);
std::string human_count(double value);

}  // namespace plumb::core
