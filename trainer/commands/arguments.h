// The command line of one subcommand: `[FILE.yaml] [ARGUMENT ...] [section.key=value ...] [--option [VALUE]]`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace plumb::commands {

struct Option {
  std::string name;   // "dry-run", typed as --dry-run
  std::string value;  // what the help calls its value ("N"); empty: a switch
  std::string help;
};

struct Arguments {
  std::vector<std::string> positional;  // files, models, folders
  std::vector<std::string> overrides;   // section.key=value
  std::map<std::string, std::string> options;
  bool help = false;  // --help was asked and printed; the command returns 0

  bool has(const std::string& option) const { return options.count(option) > 0; }
  std::string get(const std::string& option, const std::string& otherwise) const;
  int64_t integer(const std::string& option, int64_t otherwise, int64_t least) const;  // Error(bad_input) otherwise
  double number(const std::string& option, double otherwise, double least) const;
};

// `usage` is printed by --help ("plumb generate MODEL --prompt TEXT"), `details` under it. Unknown options are an
// Error(bad_input) that names the nearest one. `most` < 0: any number of positional arguments.
Arguments parse_arguments(const std::vector<std::string>& words, const std::string& usage, const std::string& details,
                          const std::vector<Option>& options, int least, int most);

}  // namespace plumb::commands
