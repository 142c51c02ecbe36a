#include "trainer/commands/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include "core/config/values.h"
#include "core/error.h"
#include "core/log.h"

namespace plumb::commands {

const std::vector<Command>& table() {
  static const std::vector<Command> commands = {
      {"train", "CFG [--dry-run]", "pretrain from random weights", train},
      {"tune", "CFG [--dry-run] [--show-masks N]", "specialise model.base", tune},
      {"eval", "[CFG] MODEL... [--json FILE]", "one table of scores, a column per model", eval},
      {"generate", "MODEL --prompt TEXT", "answer a prompt", generate},
      {"export", "MODEL OUT --format hf [--dtype bf16|fp32]", "write what serving engines load", export_},
      {"data build", "CFG", "sources -> tokens, with an account of every document", data_build},
      {"data inspect", "DATASET", "look at the samples of a dataset", data_inspect},
      {"data report", "RUN|DATASET... [--out FOLDER]", "their account as HTML and JSON, Croissant, a draft for the EU",
       data_report},
      {"data lineage", "RUN --step K|--doc ID", "documents of a step, steps of a document", data_lineage},
      {"data import", "PREFIX OUT --tokenizer FILE", "a dataset from Megatron's .bin and .idx", data_import},
      {"data export", "DATASET PREFIX", "a dataset as Megatron's .bin and .idx", data_export},
      {"tokenizer train", "CFG", "train byte-level BPE on data.sources", tokenizer_train},
      {"tokenizer encode", "--tokenizer FILE [--lines] [TEXTFILE]", "text -> ids", tokenizer_encode},
      {"tokenizer decode", "--tokenizer FILE [IDSFILE]", "ids -> text", tokenizer_decode},
      {"config check", "CFG", "all mistakes of a file at once; needs no data, GPU or ranks", config_check},
      {"config show", "CFG", "every key with its value and where it came from", config_show},
      {"config schema", "", "JSON schema for editors", config_schema},
      {"params", "[--preset NAME]", "shape and parameter counts of a preset", params},
      {"inspect", "FILE|FOLDER", "readable summary of anything plumb can read", inspect},
  };
  return commands;
}

namespace {

void print_overview() {
  std::cout << "plumb: trains transformers across processors, specialises them, exports what others load\n\n"
               "usage: plumb COMMAND [FILE.yaml] [ARGUMENT ...] [section.key=value ...] [--option]\n\n";
  for (const auto& command : table()) {
    std::cout << fmt::format("  {:<18} {:<42} {}\n", command.name, command.arguments, command.summary);
  }
  std::cout << "\n`plumb COMMAND --help` says more; docs/config.md lists every key.\n";
}

// `plumb data` alone: what there is below it. False when nothing begins so.
bool print_group(const std::string& word) {
  bool any = false;
  for (const auto& command : table()) {
    if (!command.name.starts_with(word + " ")) continue;
    if (!any) std::cout << "usage: plumb " << word << " COMMAND ...\n\n";
    any = true;
    std::cout << fmt::format("  {:<18} {:<42} {}\n", command.name, command.arguments, command.summary);
  }
  return any;
}

[[noreturn]] void unknown_command(const std::string& typed) {
  const auto& commands = table();
  const auto nearest = std::min_element(commands.begin(), commands.end(), [&](const auto& a, const auto& b) {
    return config::edit_distance(a.name, typed) < config::edit_distance(b.name, typed);
  });
  fail_input("command line", fmt::format("unknown command '{}'", typed),
             fmt::format("did you mean 'plumb {}'? 'plumb --help' lists all", nearest->name));
}

int dispatch(const Words& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "help") {
    print_overview();
    return 0;
  }
  if (words[0] == "--version") {
    std::cout << "plumb " PLUMB_VERSION "\n";
    return 0;
  }
  for (const auto& command : table()) {
    const auto space = command.name.find(' ');
    if (space == std::string::npos) {
      if (command.name == words[0]) return command.run({words.begin() + 1, words.end()});
    } else if (words.size() > 1 && command.name == words[0] + " " + words[1]) {
      return command.run({words.begin() + 2, words.end()});
    }
  }
  if ((words.size() == 1 || words[1] == "--help") && print_group(words[0])) {
    return static_cast<int>(words.size() == 1 ? ExitCode::bad_input : ExitCode::ok);
  }
  unknown_command(words.size() > 1 && words[1][0] != '-' && words[1].find('.') == std::string::npos
                      ? words[0] + " " + words[1]
                      : words[0]);
}

}  // namespace

int run(int argc, char** argv) {
  try {
    return dispatch(Words(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    const Error told = as_error(error);
    if (core::is_main_rank()) std::cerr << told.what() << "\n";
    return static_cast<int>(told.code());
  }
}

}  // namespace plumb::commands
