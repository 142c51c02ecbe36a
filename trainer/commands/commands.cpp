#include "trainer/commands/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>

#include "core/config/values.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/commands/launch.h"

namespace plumb::commands {

const std::vector<Command>& table() {
  static const std::vector<Command> commands = {
      {"train", "CFG [--dry-run]", "pretrain from random weights", true},
      {"tune", "CFG [--dry-run] [--show-masks N]", "specialise model.base", true},
      {"eval", "[CFG] MODEL... [--json FILE]", "one table of scores, a column per model", true},
      {"generate", "MODEL --prompt TEXT", "answer a prompt"},
      {"export", "MODEL OUT --format hf [--dtype bf16|fp32]", "write what serving engines load"},
      {"data build", "CFG", "sources -> tokens, with an account of every document", true},
      {"data inspect", "DATASET", "look at the samples of a dataset"},
      {"data report", "RUN|DATASET... [--out FOLDER]", "their account as HTML and JSON, Croissant, a draft for the EU"},
      {"data lineage", "RUN --step K|--doc ID", "documents of a step, steps of a document"},
      {"data import", "PREFIX OUT --tokenizer FILE", "a dataset from Megatron's .bin and .idx"},
      {"data export", "DATASET PREFIX", "a dataset as Megatron's .bin and .idx"},
      {"tokenizer train", "CFG", "train byte-level BPE on data.sources"},
      {"tokenizer encode", "--tokenizer FILE [--lines] [TEXTFILE]", "text -> ids"},
      {"tokenizer decode", "--tokenizer FILE [IDSFILE]", "ids -> text"},
      {"config check", "CFG", "all mistakes of a file at once; needs no data, GPU or ranks"},
      {"config show", "CFG", "every key with its value and where it came from"},
      {"config schema", "", "JSON schema for editors"},
      {"params", "[--preset NAME]", "shape and parameter counts of a preset"},
      {"inspect", "FILE|FOLDER", "readable summary of anything plumb can read"},
  };
  return commands;
}

const Runs& light_commands() {
  static const Runs runs = {
      {"data inspect", data_inspect},         {"data import", data_import},           {"data export", data_export},
      {"tokenizer encode", tokenizer_encode}, {"tokenizer decode", tokenizer_decode}, {"config check", config_check},
      {"config show", config_show},           {"config schema", config_schema},
  };
  return runs;
}

namespace {

void print_overview() {
  std::cout << "plumb: trains transformers across processors, specialises them, exports what others load\n\n"
               "usage: plumb COMMAND [FILE.yaml] [ARGUMENT ...] [section.key=value ...] [--option]\n\n";
  for (const auto& command : table()) {
    std::cout << fmt::format("  {:<18} {:<42} {}\n", command.name, command.arguments, command.summary);
  }
  std::cout
      << "\n`plumb COMMAND --help` says more, `plumb --version` which plumb this is; docs/config.md lists every key.\n";
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
  if (typed.starts_with('-'))
    fail_input("command line", fmt::format("expected a command, found '{}'", typed), "'plumb --help' lists them");
  const auto& commands = table();
  const auto nearest = std::min_element(commands.begin(), commands.end(), [&](const auto& a, const auto& b) {
    return config::edit_distance(a.name, typed) < config::edit_distance(b.name, typed);
  });
  fail_input("command line", fmt::format("unknown command '{}'", typed),
             fmt::format("did you mean 'plumb {}'? 'plumb --help' lists all", nearest->name));
}

// This process becomes `program` with the same words. Returns only by Error.
[[noreturn]] void hand_over(const std::string& program, char** argv) {
  namespace fs = std::filesystem;
  constexpr const char* hint =
      "`cmake --install` puts `plumb` and `plumb-engine` where they find each other; copy both";
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  const fs::path places[] = {folder / program, (folder / "../lib/plumb").lexically_normal() / program};
  for (const auto& place : places) {
    ::execv(place.c_str(), argv);
    if (errno != ENOENT && errno != ENOTDIR)
      fail_input(place.string(), fmt::format("cannot be started: {}", std::strerror(errno)), hint);
  }
  fail_input(program, fmt::format("not found as {} nor as {}", places[0].string(), places[1].string()), hint);
}

int start(const Command& command, const Words& words, const Runs& mine, const std::string& other, char** argv) {
  if (!command.shared && launched().part > 0) return 0;
  if (const auto own = mine.find(command.name); own != mine.end()) return own->second(words);
  if (!other.empty()) hand_over(other, argv);
  fail_internal(fmt::format("no program has the command '{}'", command.name));
}

int dispatch(const Words& words, const Runs& mine, const std::string& other, char** argv) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_overview();
    return 0;
  }
  if (words[0] == "--version" || words[0] == "-v" || words[0] == "version") {
    std::cout << "plumb " PLUMB_VERSION "\n";
    return 0;
  }
  for (const auto& command : table()) {
    const std::ptrdiff_t length = command.name.find(' ') == std::string::npos ? 1 : 2;
    if (std::ssize(words) < length || command.name != (length == 1 ? words[0] : words[0] + " " + words[1])) continue;
    return start(command, {words.begin() + length, words.end()}, mine, other, argv);
  }
  if ((words.size() == 1 || words[1] == "--help" || words[1] == "-h") && print_group(words[0])) {
    return static_cast<int>(words.size() == 1 ? ExitCode::bad_input : ExitCode::ok);
  }
  unknown_command(words.size() > 1 && words[1][0] != '-' && words[1].find('.') == std::string::npos
                      ? words[0] + " " + words[1]
                      : words[0]);
}

// A full disk behind a pipe or `>` is told by the stream alone, and only once.
void check_output() {
  std::cout.flush();
  if (!std::cout)
    throw Error(ExitCode::out_of_resources, "what is printed could not be written to its end", "standard output",
                "make room where it goes");
}

int told(const Error& error, const char* text) {
  if (core::is_main_rank()) std::cerr << text << "\n";
  return static_cast<int>(error.code());
}

}  // namespace

int run(int argc, char** argv, const Runs& mine, const std::string& other) {
  try {
    const int code = dispatch(Words(argv + 1, argv + argc), mine, other, argv);
    if (code == 0) check_output();
    return code;
  } catch (const Error& error) {
    return told(error, error.what());  // a listing of mistakes prints itself
  } catch (const std::exception& error) {
    const Error known = as_error(error);
    return told(known, known.what());
  }
}

}  // namespace plumb::commands
