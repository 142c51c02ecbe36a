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
#include "core/status_line.h"

namespace plumb::core {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int most_cells = 24, fewest_cells = 4;

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

ProgressStyle on_this_terminal(ProgressStyle style) {
  if (style != ProgressStyle::automatic) return style;
  return is_terminal() ? ProgressStyle::bar : ProgressStyle::lines;
}

struct ProgressBar::State {
  std::string what, unit;
  int64_t total = 0, done = 0, already = 0;
  ProgressStyle style = ProgressStyle::none;
  Clock::time_point start = Clock::now(), shown{};
  std::string note;
  bool finished = false, visible = false;

  struct Parts {
    int cells = 0;  // of the bar; 0: none
    bool name = true, rate = true;
  };

  double rate(Clock::time_point now) const {
    const double seconds = seconds_between(start, now);
    return seconds > 0 ? static_cast<double>(done - already) / seconds : 0;
  }

  std::string line(Clock::time_point now, const Parts& parts) const {
    const double speed = rate(now);
    std::string text = parts.name ? what : "";
    if (total > 0) {
      const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
      if (parts.cells > 0) {
        const int filled = static_cast<int>(share * parts.cells);
        text += "  [" + std::string(filled, '#') + std::string(parts.cells - filled, '.') + "]";
      }
      if (!unit.empty()) text += fmt::format("  {}/{} {}", with_commas(done), with_commas(total), unit);
      text += fmt::format("  {:.1f}%", share * 100);
    } else if (!unit.empty()) {
      text += "  " + counted(done, unit);
    }
    if (parts.rate && speed > 0 && !unit.empty()) text += fmt::format("  {} {}/s", human_count(speed), unit);
    if (total > done && speed > 0) text += "  ETA " + human_duration(static_cast<double>(total - done) / speed);
    if (!note.empty()) text += "  " + note;
    return parts.name ? text : text.substr(std::min<size_t>(text.size(), 2));  // without the gap to the name
  }

  // Never wraps, or it could not be redrawn. What says least goes first: the bar, then the rate, then the name.
  std::string fitted(Clock::time_point now, size_t width) const {
    Parts parts{.cells = most_cells};
    std::string text = line(now, parts);
    if (text.size() > width && total > 0) {
      parts.cells -= static_cast<int>(std::min<size_t>(most_cells, text.size() - width));
      if (parts.cells < fewest_cells) parts.cells = 0;
      text = line(now, parts);
    }
    for (bool* part : {&parts.rate, &parts.name}) {
      if (text.size() <= width) return text;
      *part = false;
      text = line(now, parts);
    }
    if (text.size() <= width) return text;
    while (width > 0 && (static_cast<unsigned char>(text[width]) & 0xc0) == 0x80) --width;  // a character stays whole
    return text.substr(0, width);
  }

  void draw(Clock::time_point now) {
    shown = now;
    if (style == ProgressStyle::lines) return say(line(now, {}));
    show_status_line(fitted(now, terminal_columns() - 1));
    visible = true;
  }
};

ProgressBar::ProgressBar(std::string what, int64_t total, std::string unit, ProgressStyle style, int64_t already)
    : state_(std::make_unique<State>()) {
  state_->what = std::move(what);
  state_->unit = std::move(unit);
  state_->total = total;
  state_->already = already;
  state_->style = is_main_rank() ? on_this_terminal(style) : ProgressStyle::none;
  state_->shown = state_->start;
}

ProgressBar::~ProgressBar() {
  if (state_->visible && !state_->finished) show_status_line("");
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
  const std::string amount = state.unit.empty() ? "done" : counted(state.done, state.unit);
  std::string text = fmt::format("{}  {} in {}", state.what, amount, human_duration(seconds_between(state.start, now)));
  if (seconds_between(state.start, now) > 0.05 && !state.unit.empty())
    text += fmt::format("  ({} {}/s)", human_count(state.rate(now)), state.unit);
  if (state.visible) show_status_line("");
  say(text);
}

}  // namespace plumb::core
