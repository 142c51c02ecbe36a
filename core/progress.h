// A progress bar with rate and ETA on a terminal, plain lines otherwise.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace plumb::core {

enum class ProgressStyle { automatic, bar, lines, none };
ProgressStyle progress_style(const std::string& name);  // auto bar lines none

class ProgressBar {
 public:
  // total <= 0: unknown. `unit` e.g. "documents"; empty: only the share of the total says something. Rank 0 only.
  ProgressBar(std::string what, int64_t total, std::string unit, ProgressStyle style = ProgressStyle::automatic);
  ~ProgressBar();
  void update(int64_t done, const std::string& note = "");
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::core
