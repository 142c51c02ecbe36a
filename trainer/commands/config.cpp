// plumb config check | show | schema
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/config/load.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"

namespace plumb::commands {

namespace {

std::optional<config::Loaded> load(const Words& words, const std::string& usage, const std::string& details) {
  const auto arguments = parse_arguments(words, usage, details, {}, 1, 1);
  if (arguments.help) return std::nullopt;
  return config::load_config(arguments.positional[0], arguments.overrides, config::Purpose::check);
}

}  // namespace

int config_check(const Words& words) {
  const auto loaded = load(words, "plumb config check CFG [section.key=value ...]",
                           "Reports all mistakes of the file at once. Opens no data, no base, no GPU.");
  if (!loaded) return 0;
  for (const auto& warning : loaded->warnings) std::cout << "warning: " << warning << "\n";
  std::cout << loaded->file.filename().string() << ": ok\n";
  return 0;
}

int config_show(const Words& words) {
  const auto loaded = load(words, "plumb config show CFG [section.key=value ...]",
                           "Prints every key with its value and where the value came from.");
  if (loaded) std::cout << config::show(*loaded);
  return 0;
}

int config_schema(const Words& words) {
  const auto arguments =
      parse_arguments(words, "plumb config schema", "Prints the JSON schema of the YAML file, for editors.", {}, 0, 0);
  if (!arguments.help) std::cout << config::json_schema().dump(2) << "\n";
  return 0;
}

}  // namespace plumb::commands
