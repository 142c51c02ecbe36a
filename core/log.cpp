#include "core/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "core/status_line.h"

namespace plumb::core {
namespace {

struct Logging {
  int rank = 0, ranks = 1;
  std::string prefix;  // "rank 3 node7: ", empty for a single rank
  std::shared_ptr<spdlog::logger> terminal, file;
  std::mutex mutex;  // log_to_file against log
  std::mutex screen;
  std::string status;  // what stands below the log now
  std::atomic<bool> status_shown{false};

  Logging() {
    terminal = std::make_shared<spdlog::logger>("plumb", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    terminal->set_pattern("%v");
    terminal->set_level(spdlog::level::debug);
    terminal->flush_on(spdlog::level::debug);
  }
};

// Never destroyed: threads may still log while the process ends.
Logging& logging() {
  static Logging* const state = new Logging;
  return *state;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void write(Level level, const std::string& text) {
  Logging& state = logging();
  std::shared_ptr<spdlog::logger> file;
  {
    std::lock_guard lock(state.mutex);
    file = state.file;
  }
  // Text is an argument, never the format: braces in a user's file must not be read as fields.
  {
    std::lock_guard lock(state.screen);
    if (!state.status.empty()) std::fputs(clear_line, stderr);
    state.terminal->log(to_spdlog(level), "{}", text);
    if (!state.status.empty()) std::fputs(state.status.c_str(), stderr);
  }
  if (file) file->log(to_spdlog(level), "{}", text);
}

}  // namespace

void set_rank(int rank, int ranks, const std::string& host) {
  Logging& state = logging();
  state.rank = rank;
  state.ranks = ranks;
  state.prefix = ranks > 1 ? fmt::format("rank {} {}: ", rank, host) : "";
}

int log_rank() { return logging().rank; }

bool is_main_rank() { return logging().rank == 0; }

void log_to_file(const std::string& file) {
  Logging& state = logging();
  if (state.rank != 0) return;
  std::shared_ptr<spdlog::logger> logger;
  if (!file.empty()) try {
      logger = std::make_shared<spdlog::logger>("file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file));
      logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      logger->set_level(spdlog::level::debug);
      logger->flush_on(spdlog::level::debug);
    } catch (const spdlog::spdlog_ex& problem) {
      fail_input(file, std::string("cannot write the log: ") + problem.what());
    }
  std::lock_guard lock(state.mutex);
  state.file = logger;
}

void log(Level level, std::string_view text) {
  static const char* const wanted = std::getenv("SPDLOG_LEVEL");
  static const bool debug = wanted && std::string_view(wanted) == "debug";
  if (level == Level::debug && !debug) return;
  const char* word = level == Level::warning ? "warning: " : level == Level::error ? "error: " : "";
  write(level, logging().prefix + word + std::string(text));
}

void say(std::string_view text) {
  if (is_main_rank()) write(Level::info, std::string(text));
}

void show_status_line(const std::string& text) {
  Logging& state = logging();
  std::lock_guard lock(state.screen);
  if (text.empty() && state.status.empty()) return;
  state.status = text;
  state.status_shown.store(!text.empty());
  std::fputs((clear_line + text).c_str(), stderr);
  std::fflush(stderr);
}

bool status_line_shown() { return logging().status_shown.load(); }

std::string with_commas(int64_t value) {
  const bool negative = value < 0;
  std::string digits = std::to_string(negative ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value));
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return negative ? "-" + digits : digits;
}

std::string counted(int64_t count, std::string_view plural) {
  if (count == 1 && plural.ends_with('s')) plural.remove_suffix(1);
  return fmt::format("{} {}", with_commas(count), plural);
}

std::string human_bytes(double bytes) {
  static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0: step up first.
  while (unit + 1 < units.size() && std::abs(bytes) >= 1023.95) bytes /= 1024, ++unit;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 0) return "-" + human_duration(-seconds);
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(std::min(seconds, 1e15)));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole % 86400 / 3600);
}

std::string human_count(double value) {
  static constexpr std::array units{"", "k", "M", "B", "T"};
  size_t unit = 0;
  while (unit + 1 < units.size() && std::abs(value) >= 999.5) value /= 1000, ++unit;
  if (unit == 0) return fmt::format("{:.0f}", value);
  return std::abs(value) < 9.995   ? fmt::format("{:.2f}{}", value, units[unit])
         : std::abs(value) < 99.95 ? fmt::format("{:.1f}{}", value, units[unit])
                                   : fmt::format("{:.0f}{}", value, units[unit]);
}

}  // namespace plumb::core
