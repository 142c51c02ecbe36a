// The table of subcommands of `plumb`; one file each.
#pragma once

#include <string>
#include <vector>

namespace plumb::commands {

using Words = std::vector<std::string>;

struct Command {
  std::string name;                    // "train"; two words for groups: "config check"
  std::string arguments;               // "CFG [section.key=value ...]"
  std::string summary;                 // one line
  int (*run)(const Words& arguments);  // what follows the name; returns an ExitCode, mistakes are thrown as Error
};
const std::vector<Command>& table();  // in the order of --help

// Dispatches; turns Error into its printed form and exit code.
int run(int argc, char** argv);

int train(const Words&);
int tune(const Words&);
int eval(const Words&);
int generate(const Words&);
int export_(const Words&);
int data_build(const Words&);
int data_inspect(const Words&);
int data_report(const Words&);
int data_lineage(const Words&);
int data_import(const Words&);
int data_export(const Words&);
int tokenizer_train(const Words&);
int tokenizer_encode(const Words&);
int tokenizer_decode(const Words&);
int config_check(const Words&);
int config_show(const Words&);
int config_schema(const Words&);
int params(const Words&);
int inspect(const Words&);

}  // namespace plumb::commands
