#include "core/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/log.h"

namespace plumb::core {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int bar_cells = 24;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && !(term && std::string_view(term) == "dumb");
}

size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressStyle progress_style(const std::string& name) {
  if (name == "auto") return ProgressStyle::automatic;
  if (name == "bar") return ProgressStyle::bar;
  if (name == "lines") return ProgressStyle::lines;
  if (name == "none") return ProgressStyle::none;
  fail_input("progress", "expected auto, bar, lines or none, found \"" + name + "\"");
}

struct ProgressBar::State {
  std::string what, unit;
  int64_t total = 0, done = 0;
  ProgressStyle style = ProgressStyle::none;
  Clock::time_point start = Clock::now(), shown{};
  std::string note;
  bool finished = false, visible = false;

  std::string line(Clock::time_point now) const {
    const double seconds = seconds_between(start, now);
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    std::string text = what;
    if (total > 0) {
      const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
      if (style == ProgressStyle::bar) {
        const int filled = static_cast<int>(share * bar_cells);
        text += "  [" + std::string(filled, '#') + std::string(bar_cells - filled, '.') + "]";
      }
      if (!unit.empty()) text += fmt::format("  {}/{} {}", with_commas(done), with_commas(total), unit);
      text += fmt::format("  {:.1f}%", share * 100);
    } else if (!unit.empty()) {
      text += "  " + counted(done, unit);
    }
    if (rate > 0 && !unit.empty()) text += fmt::format("  {} {}/s", human_count(rate), unit);
    if (total > done && rate > 0) text += "  ETA " + human_duration(static_cast<double>(total - done) / rate);
    if (!note.empty()) text += "  " + note;
    return text;
  }

  void draw(Clock::time_point now) {
    shown = now;
    if (style == ProgressStyle::lines) return say(line(now));
    // \r and "erase to the end of the line": one line that redraws itself, cut so that it never wraps.
    std::string text = line(now);
    const size_t columns = terminal_columns();
    if (text.size() >= columns) text.resize(columns - 1);
    std::fputs(("\r\x1b[K" + text).c_str(), stderr);
    std::fflush(stderr);
    visible = true;
  }
};

ProgressBar::ProgressBar(std::string what, int64_t total, std::string unit, ProgressStyle style)
    : state_(std::make_unique<State>()) {
  state_->what = std::move(what);
  state_->unit = std::move(unit);
  state_->total = total;
  if (style == ProgressStyle::automatic) style = is_terminal() ? ProgressStyle::bar : ProgressStyle::lines;
  state_->style = is_main_rank() ? style : ProgressStyle::none;
  state_->shown = state_->start;
}

ProgressBar::~ProgressBar() {
  // Left by an exception: end the line, so that the error stands on its own.
  if (state_->visible && !state_->finished) std::fputc('\n', stderr);
}

void ProgressBar::update(int64_t done, const std::string& note) {
  State& state = *state_;
  state.done = done;
  if (state.style == ProgressStyle::none || state.finished) return;
  const auto now = Clock::now();
  // A bar moves ten times a second; a log file gets a line every ten seconds.
  if (seconds_between(state.shown, now) < (state.style == ProgressStyle::bar ? 0.1 : 10.0)) return;
  state.note = note;
  state.draw(now);
}

void ProgressBar::finish() {
  State& state = *state_;
  if (std::exchange(state.finished, true) || state.style == ProgressStyle::none) return;
  const auto now = Clock::now();
  const double seconds = seconds_between(state.start, now);
  const std::string amount = state.unit.empty() ? "done" : counted(state.done, state.unit);
  std::string text = fmt::format("{}  {} in {}", state.what, amount, human_duration(seconds));
  if (seconds > 0.05 && !state.unit.empty())
    text += fmt::format("  ({} {}/s)", human_count(static_cast<double>(state.done) / seconds), state.unit);
  if (state.visible) std::fputs("\r\x1b[K", stderr);
  say(text);
}

}  // namespace plumb::core
