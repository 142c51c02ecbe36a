#include "trainer/commands/arguments.h"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <charconv>
#include <cstdint>
#include <iostream>
#include <regex>

#include "core/error.h"

namespace plumb::commands {

namespace po = boost::program_options;

namespace {

// "train.steps=10", "data.sources[0].path=x", "resume=auto"; not a path such as "./a=b".
bool is_override(const std::string& word) {
  static const std::regex pattern(R"(^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*|\[[0-9]+\])*=[\s\S]*$)");
  return std::regex_match(word, pattern);
}

po::options_description describe(const std::vector<Option>& options) {
  po::options_description description("options", 112);  // columns, as wide as the texts above them
  auto add = description.add_options();
  for (const auto& option : options) {
    if (option.value.empty()) {
      add(option.name.c_str(), option.help.c_str());
    } else {
      add(option.name.c_str(), po::value<std::string>()->value_name(option.value), option.help.c_str());
    }
  }
  add("help", "this text");
  return description;
}

void print_help(const std::string& usage, const std::string& details, const po::options_description& description) {
  std::cout << "usage: " << usage << "\n\n";
  if (!details.empty()) std::cout << details << "\n\n";
  std::cout << description;
}

void check_count(const Arguments& arguments, const std::string& usage, int least, int most) {
  const int found = static_cast<int>(arguments.positional.size());
  if (found < least) {
    fail_input("command line", fmt::format("expected {} argument{}, found {}", least, least == 1 ? "" : "s", found),
               "usage: " + usage);
  }
  if (most >= 0 && found > most) {
    fail_input("command line", fmt::format("unexpected argument '{}'", arguments.positional[most]), "usage: " + usage);
  }
}

template <class T>
T parse_number(const std::string& option, const std::string& text, T least, const char* kind) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least)) {
    fail_input("command line", fmt::format("--{}: expected {} of at least {}, found '{}'", option, kind, least, text));
  }
  return value;
}

}  // namespace

std::string Arguments::get(const std::string& option, const std::string& otherwise) const {
  const auto found = options.find(option);
  return found == options.end() ? otherwise : found->second;
}

int64_t Arguments::integer(const std::string& option, int64_t otherwise, int64_t least) const {
  return has(option) ? parse_number<int64_t>(option, options.at(option), least, "a whole number") : otherwise;
}

double Arguments::number(const std::string& option, double otherwise, double least) const {
  return has(option) ? parse_number<double>(option, options.at(option), least, "a number") : otherwise;
}

Arguments parse_arguments(const std::vector<std::string>& typed, const std::string& usage, const std::string& details,
                          const std::vector<Option>& options, int least, int most) {
  Arguments arguments;
  auto words = typed;
  if (!words.empty() && words[0] == "-h") words[0] = "--help";
  const auto description = describe(options);
  try {
    namespace style = po::command_line_style;
    const auto parsed = po::command_line_parser(words)
                            .options(description)
                            .style(style::allow_long | style::long_allow_next | style::long_allow_adjacent)
                            .run();
    for (const auto& option : parsed.options) {
      if (option.position_key != -1) {
        const auto& word = option.value.front();
        (is_override(word) ? arguments.overrides : arguments.positional).push_back(word);
      } else {
        arguments.options[option.string_key] = option.value.empty() ? "" : option.value.front();
      }
    }
  } catch (const po::error& error) {
    fail_input("command line", error.what(), "usage: " + usage);
  }
  if (arguments.has("help")) {
    print_help(usage, details, description);
    arguments.help = true;
    return arguments;
  }
  check_count(arguments, usage, least, most);
  return arguments;
}

}  // namespace plumb::commands
