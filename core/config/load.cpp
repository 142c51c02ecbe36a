#include "core/config/load.h"

#include <fmt/format.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/config/cross_rules.h"
#include "core/config/overrides.h"
#include "core/config/reader.h"
#include "core/config/utf8.h"
#include "core/config/values.h"
#include "core/files.h"

extern char** environ;

namespace plumb::config {
namespace {

namespace fs = std::filesystem;

// Environment variables never set a key; one that looks as if it did is a mistake.
void refuse_environment(Problems& problems) {
  for (char** variable = environ; variable && *variable; ++variable) {
    const std::string text = *variable;
    if (!text.starts_with("PLUMB_")) continue;
    const std::string name = text.substr(0, text.find('='));
    problems.add({}, fmt::format("unknown environment variable {}", name),
                 "environment variables never set a key; give section.key=value on the command line");
  }
}

std::vector<Origin> origins_of(const Reading& reading, const Derived& derived, const Overridden& overridden,
                               const Problems& problems) {
  std::vector<Origin> origins;
  Config config = reading.config;
  for (const auto& key : all_keys()) {
    Origin origin{key.address, render_value(key, &config), "default", "", key.pace};
    if (const Given* given = reading.find(key.address)) {
      origin.origin = problems.origin(given->key);
      origin.replaced = given->replaced;
    }
    if (const auto it = derived.origins.find(key.address); it != derived.origins.end()) origin.origin = it->second;
    if (const auto it = derived.replaced.find(key.address); it != derived.replaced.end() && origin.replaced.empty())
      origin.replaced = it->second;
    if (const auto it = overridden.taken_out.find(key.address); it != overridden.taken_out.end())
      origin.replaced = it->second;
    origins.push_back(std::move(origin));
  }
  // An override inside a list shows at the list.
  for (const auto& [address, given] : reading.given) {
    const size_t bracket = address.find('[');
    if (bracket == std::string::npos || !given.key.on_command_line() || given.replaced.empty()) continue;
    for (auto& origin : origins)
      if (origin.key == address.substr(0, bracket) && origin.replaced.empty())
        origin.origin = "command line", origin.replaced = fmt::format("{} {}", address, given.replaced);
  }
  return origins;
}

bool matches(const std::string& pattern) {
  glob_t found{};
  const bool any = ::glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0;
  ::globfree(&found);
  return any;
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error) || (path.find_first_of("*?[") != std::string::npos && matches(path));
}

// "org/name" without more slashes, dots in front or an extension of ours.
bool looks_like_hub_id(const std::string& written) {
  const size_t slash = written.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == written.size()) return false;
  if (written.find('/', slash + 1) != std::string::npos || written[0] == '.' || written[0] == '~') return false;
  return written.find_first_of("*?[ ") == std::string::npos;
}

std::string missing_hint(const PathUse& use) {
  const fs::path here = fs::current_path() / use.written;
  if (fs::path(use.written).is_relative() && exists(here.string()) && here.lexically_normal().string() != use.absolute)
    return fmt::format(
        "it exists relative to the current folder, but a path in a file is relative to that file; "
        "write {}",
        here.lexically_normal().string());
  if (const auto near = nearest_path(use.absolute)) return fmt::format("did you mean {}?", near->string());
  const bool model = use.key == "model.base" || use.key == "tokenizer.path";
  const bool data = use.key.ends_with("dataset") || use.key.ends_with(".path");
  if (looks_like_hub_id(use.written) && (model || data))
    return fmt::format("nothing is downloaded from a hub; if it is a hub id: hf download {}{} --local-dir {}",
                       model ? "" : "--repo-type dataset ", use.written, use.absolute);
  const bool from_file = use.where != "command line" && fs::path(use.written).is_relative() && use.written[0] != '~';
  return from_file ? "a relative path counts from the folder of the file it stands in" : "";
}

// Paths stand in manifests and checkpoints, which are JSON.
void check_utf8(const fs::path& folder, const std::string& name) {
  const std::string text = folder.string();
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    if (length == 0)
      fail_input(name, "expected a folder whose name is UTF-8, found other bytes in its path", "rename it");
    at += length;
  }
}

}  // namespace

Loaded load_config_text(const std::string& yaml, const std::string& name, const fs::path& base_folder,
                        const std::vector<std::string>& overrides, Purpose purpose) {
  const std::string text = yaml.starts_with("\xEF\xBB\xBF") ? yaml.substr(3) : yaml;
  Problems problems(text, name, overrides);
  refuse_environment(problems);
  Node root = read_yaml(text, problems);
  // A tree that could not be read would only add mistakes that are none.
  if (root.kind != Node::Kind::map) problems.throw_if_any();
  const Overridden overridden = apply_overrides(root, problems);
  const Folders folders{fs::absolute(base_folder), fs::current_path()};
  check_utf8(folders.file, name);
  Reading reading = read_config(root, folders, problems);
  if (root.kind != Node::Kind::map) problems.throw_if_any();
  const Derived derived = derive_and_check(reading, folders.file, purpose, problems);
  problems.throw_if_any();
  Loaded loaded;
  loaded.origins = origins_of(reading, derived, overridden, problems);
  loaded.warnings = derived.warnings;
  loaded.paths = std::move(reading.paths);
  loaded.config = std::move(reading.config);
  if (!name.empty()) loaded.file = (folders.file / fs::path(name).filename()).lexically_normal();
  return loaded;
}

Loaded load_config(const fs::path& file, const std::vector<std::string>& overrides, Purpose purpose) {
  if (file.empty()) return load_config_text("", "", fs::current_path(), overrides, purpose);
  const std::string text = core::read_text(file, 1 << 20);
  return load_config_text(text, file.string(), fs::absolute(file).parent_path(), overrides, purpose);
}

void check_paths(const Loaded& loaded) {
  std::string listing;
  size_t missing = 0;
  constexpr size_t most_shown = 20;
  for (const auto& use : loaded.paths) {
    if (exists(use.absolute)) continue;
    if (++missing > most_shown) continue;
    const bool pattern = use.absolute.find_first_of("*?[") != std::string::npos;
    listing += mistake_text(
        use.where, fmt::format("{}: {} {}", use.key, use.absolute, pattern ? "matches nothing" : "does not exist"),
        use.excerpt, missing_hint(use));
  }
  if (missing > 0) throw ConfigError(listing + count_line(missing, std::min(missing, most_shown)));
}

void set_resolved(Loaded& loaded, const std::string& key, const std::string& value, const std::string& origin) {
  for (auto& known : loaded.origins) {
    if (known.key != key) continue;
    known.value = value;
    known.origin = origin;
    return;
  }
  fail_internal("set_resolved: unknown key " + key);
}

}  // namespace plumb::config
