// A progress bar with rate and ETA on a terminal, below the lines of the log; plain lines otherwise.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace plumb::core {

enum class ProgressStyle { automatic, bar, lines, none };
ProgressStyle progress_style(const std::string& name);  // auto bar lines none
ProgressStyle on_this_terminal(ProgressStyle);          // automatic: a bar on a terminal, else lines

class ProgressBar {
 public:
  // total <= 0: unknown. `unit` e.g. "documents"; empty: only the share of the total says something. Rank 0 only.
  // `already`: what an earlier start has done; it counts for the share, not for the rate.
  ProgressBar(std::string what, int64_t total, std::string unit, ProgressStyle style = ProgressStyle::automatic,
              int64_t already = 0);
  ~ProgressBar();
  void update(int64_t done, const std::string& note = "");
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::core
