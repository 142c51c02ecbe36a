// A program run as a child under limits, for reading files that a library of ours should not touch in this process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plumb::data {

struct ChildLimits {
  double seconds = 120;                   // of processor time: what a busy machine does not change
  double patience = 3600;                 // seconds of the clock, for a child that waits for something
  uint64_t memory = uint64_t{2} << 30;    // address space
  uint64_t output = uint64_t{256} << 20;  // standard output
};

struct ChildResult {
  enum class End { exited, signalled, too_slow, too_much_output } end = End::exited;
  int status = 0;      // exit status, or the signal
  std::string output;  // standard output
  std::string errors;  // the first 4 KiB of standard error
};

// Runs `program` (a path) with `arguments`, an empty standard input and only PATH, HOME and a UTF-8 locale as
// environment. The child and what it starts are gone when this returns, also when this process is killed meanwhile.
// Error(out_of_resources) when no process can be started.
ChildResult run_child(const std::string& program, const std::vector<std::string>& arguments, const ChildLimits&);

std::string find_program(const std::string& name);  // in PATH; "" when there is none

}  // namespace plumb::data
