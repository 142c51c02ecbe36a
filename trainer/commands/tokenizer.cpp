// plumb tokenizer encode | decode
#include "data/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <string_view>

#include "core/config/values.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"

namespace plumb::commands {

namespace {

namespace fs = std::filesystem;

const Option kTokenizer{"tokenizer", "FILE", "tokenizer.json, the folder of one, a run or RUN/step-N"};

data::TokenizerPtr open_tokenizer(const Arguments& arguments) {
  if (!arguments.has("tokenizer"))
    fail_input("command line", "expected --tokenizer FILE, found none",
               "FILE is a tokenizer.json, its folder, or a run");
  fs::path path = fs::absolute(arguments.get("tokenizer", "")).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  if (!fs::exists(path, error)) {
    const auto near = config::nearest_path(path);
    fail_input(path.string(), "no such file or folder", near ? "did you mean " + near->string() + "?" : "");
  }
  if (path.filename().string().starts_with("step-")) path = path.parent_path();
  if (fs::is_directory(path / "tokenizer", error)) path /= "tokenizer";  // where a run has it
  return data::load_tokenizer(path);
}

// The file named on the command line, or standard input.
std::string read_input(const Arguments& arguments) {
  if (!arguments.positional.empty()) return core::read_text(arguments.positional[0]);
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

// What ends one of several texts, or none where all is one.
std::optional<char> text_end(const Arguments& arguments) {
  if (arguments.has("lines") && arguments.has("null"))
    fail_input("command line", "expected one of --lines and --null, found both");
  if (arguments.has("lines")) return '\n';
  return arguments.has("null") ? std::optional('\0') : std::nullopt;
}

// Calls use(part) for each part without its end; an end at the end of the text starts no further part.
void for_each_part(std::string_view text, char end_of_part, const std::function<void(std::string_view)>& use) {
  while (!text.empty()) {
    const size_t end = text.find(end_of_part);
    use(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::vector<int32_t> parse_ids(std::string_view text, int64_t vocab_size, const std::string& where) {
  std::vector<int32_t> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    while (at < end && std::string_view(" \t\r\n").find(*at) != std::string_view::npos) ++at;
    if (at == end) return ids;
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(at, end, id);
    const bool whole = stop == end || std::string_view(" \t\r\n").find(*stop) != std::string_view::npos;
    if (error != std::errc() || !whole || id < 0 || id >= vocab_size) {
      const std::string_view rest(at, static_cast<size_t>(end - at));
      fail_input(where, fmt::format("expected ids from 0 to {}, found '{}'", vocab_size - 1,
                                    rest.substr(0, std::min<size_t>(rest.find_first_of(" \t\r\n"), 40))));
    }
    ids.push_back(id);
    at = stop;
  }
}

void write_ids(const std::vector<int32_t>& ids) {
  std::string line;
  for (const int32_t id : ids) {
    if (!line.empty()) line += ' ';
    fmt::format_to(std::back_inserter(line), "{}", id);
  }
  line += '\n';
  std::cout << line;
}

}  // namespace

int tokenizer_encode(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb tokenizer encode --tokenizer FILE [--lines] [TEXTFILE]",
      "Prints the ids of the text, separated by spaces. Reads standard input without TEXTFILE. Special tokens written "
      "in\n"
      "the text are read as tokens, as Hugging Face tokenizers does it; documents of a dataset are read with\n"
      "tokenizer.special_in_text.",
      {kTokenizer,
       {"lines", "", "one line of ids for each line of text"},
       {"null", "", "one line of ids for each text; each ends with a null byte, so that it may hold line ends"},
       {"special-in-text", "WORD", "token (default) or text: special tokens in the text are plain text"},
       {"add-special-tokens", "", "with what the post-processor puts around a text (bos, eos)"}},
      0, 1);
  if (arguments.help) return 0;
  const auto special = arguments.get("special-in-text", "token");
  if (special != "token" && special != "text")
    fail_input("command line", fmt::format("--special-in-text: expected token or text, found '{}'", special));
  if (special == "text" && arguments.has("add-special-tokens"))
    fail_input("command line", "expected one of --special-in-text text and --add-special-tokens, found both");
  const auto mode = special == "token" ? data::SpecialInText::token : data::SpecialInText::text;
  const auto tokenizer = open_tokenizer(arguments);
  const std::string text = read_input(arguments);
  std::vector<int32_t> ids;
  data::EncodeCounts counts;
  const auto print = [&](std::string_view piece) {
    ids.clear();
    if (arguments.has("add-special-tokens"))
      tokenizer->encode_with_specials(piece, ids);
    else
      tokenizer->encode(piece, ids, mode, &counts);
    write_ids(ids);
  };
  if (const auto end = text_end(arguments))
    for_each_part(text, *end, print);
  else
    print(text);
  if (counts.invalid_bytes > 0)
    core::warning("{} invalid UTF-8 sequences were read as U+FFFD", core::with_commas(counts.invalid_bytes));
  return 0;
}

int tokenizer_decode(const Words& words) {
  const auto arguments =
      parse_arguments(words, "plumb tokenizer decode --tokenizer FILE [--lines] [IDSFILE]",
                      "Prints the text of ids separated by spaces or line ends. Reads standard input without IDSFILE.",
                      {kTokenizer,
                       {"lines", "", "one line of text for each line of ids"},
                       {"null", "", "one text for each line of ids, a null byte behind each"},
                       {"skip-special-tokens", "", "leave special tokens out"}},
                      0, 1);
  if (arguments.help) return 0;
  const auto tokenizer = open_tokenizer(arguments);
  const std::string input = read_input(arguments);
  const std::string name = arguments.positional.empty() ? "standard input" : arguments.positional[0];
  const bool skip = arguments.has("skip-special-tokens");
  int64_t line = 0;
  const auto decode = [&](std::string_view ids, const std::string& where) {
    return tokenizer->decode(parse_ids(ids, tokenizer->vocab_size(), where), skip);
  };
  if (const auto end = text_end(arguments))
    for_each_part(input, '\n',
                  [&](std::string_view ids) { std::cout << decode(ids, fmt::format("{}:{}", name, ++line)) << *end; });
  else
    std::cout << decode(input, name);
  return 0;
}

}  // namespace plumb::commands
