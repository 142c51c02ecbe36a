// The subcommands of `plumb`, one file each. They are spread over two programs: `plumb` has those that need neither
// LibTorch nor MPI (this folder; it starts in a few milliseconds) and hands every other one over to `plumb-engine`
// (trainer/jobs), which stands beside it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace plumb::commands {

using Words = std::vector<std::string>;

struct Command {
  std::string name;       // "train"; two words for groups: "config check"
  std::string arguments;  // "CFG [section.key=value ...]"
  std::string summary;    // one line
  bool shared = false;    // the processes of mpirun share the work; any other command is the first one's alone
};
const std::vector<Command>& table();  // of both programs, in the order of --help

// What follows the name -> an ExitCode; mistakes are thrown as Error.
using Run = int (*)(const Words& arguments);
using Runs = std::map<std::string, Run>;  // by name

// Those of this folder.
const Runs& light_commands();

// Dispatches; turns Error into its printed form and exit code, and output that could not be written into one. A command
// that is not among `mine` is handed over to the program `other` (found beside this one or, as installed, in
// ../lib/plumb), which takes this one's place. Empty: there is no other.
int run(int argc, char** argv, const Runs& mine, const std::string& other);

int data_inspect(const Words&);
int data_import(const Words&);
int data_export(const Words&);
int tokenizer_encode(const Words&);
int tokenizer_decode(const Words&);
int config_check(const Words&);
int config_show(const Words&);
int config_schema(const Words&);

}  // namespace plumb::commands
