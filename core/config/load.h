// One call from a file and overrides to a Config, with the origin of every value.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/config/config.h"

namespace plumb::config {

// For whom the file is read: decides required sections and method-dependent defaults.
enum class Purpose { train, tune, eval, data, tokenizer, check };  // check: train or tune, by model.base

struct Origin {
  std::string key;             // "train.schedule.warmup"
  std::string value;           // as it would be written in YAML
  std::string origin;          // "medical.yaml:14", "command line", "preset llama-1b", "default", "base", "auto"
  std::string replaced;        // value that was replaced, with its origin; empty if none
  bool keeps_weights = false;  // class P: may change on resume
};

// A path that must exist when the run starts, kept for check_paths.
struct PathUse {
  std::string key, written, absolute;  // "data.sources[0].path", as it stands in the file, resolved
  std::string where, excerpt;          // "medical.yaml:4:20", the marked source line
};

struct Loaded {
  Config config;
  std::vector<Origin> origins;        // every key in schema order
  std::vector<std::string> warnings;  // printed, not fatal (an override that made a key pointless, ...)
  std::filesystem::path file;         // absolute; empty if none
  std::vector<PathUse> paths;
};

// Reads `file` (may be empty: overrides only), applies "section.key=value" overrides. All mistakes are collected and
// thrown as one Error(bad_input) whose message is the full listing in the form of docs/config.md.
Loaded load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides, Purpose purpose);
// Same from text; `name` stands for the file in messages, relative paths resolve against `base_folder`.
Loaded load_config_text(const std::string& yaml, const std::string& name, const std::filesystem::path& base_folder,
                        const std::vector<std::string>& overrides, Purpose purpose);

// Every path that is read must exist (patterns: match something). All that are missing in one Error(bad_input),
// absolute, with a hint when one exists relative to the current folder or looks like a hub id. load_config does not
// ask.
void check_paths(const Loaded&);

// Records a value that was derived later (auto choices, token counts): shows in `changed` lines and in resolved.yaml.
void set_resolved(Loaded&, const std::string& key, const std::string& value, const std::string& origin);
std::string to_resolved_yaml(const Loaded&);  // a file that load_config accepts; each line comments its origin
std::string show(const Loaded&);              // `config show`
nlohmann::ordered_json json_schema();         // `config schema`
std::string docs_page();                      // docs/config.md is exactly this
// One line per key of a section ("train") or of all ("") for --help: address, type, default, meaning.
std::string help_keys(const std::string& section = "");
// Keys whose values differ between two runs and that change the weights (not class P); those that train.accept_changes
// names are among them, so that the manifest can record them.
struct Difference {
  std::string key, now, then;
};
std::vector<Difference> weight_differences(const Loaded& now, const std::string& resolved_yaml_of_run);

}  // namespace plumb::config
