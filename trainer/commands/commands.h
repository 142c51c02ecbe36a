// The table of subcommands of `plumb`, and what they share.
#pragma once
#include <string>
#include <vector>

namespace plumb::commands {

struct Command {
  std::string name;         // "train"; two words for groups: "config check"
  std::string arguments;    // "CFG [section.key=value ...]"
  std::string summary;
  int (*run)(const std::vector<std::string>& arguments);   // returns an ExitCode; errors are thrown
};
const std::vector<Command>& table();   // in the order of --help

// Dispatches; turns Error into its printed form and exit code. Rank 0 prints unless a rank has its own trouble.
int run(int argc, char** argv);

}  // namespace plumb::commands
