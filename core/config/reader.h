// From the tree of a YAML file to a typed Config, key by key of the schema.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/config/load.h"
#include "core/config/node.h"
#include "core/config/problems.h"
#include "core/config/schema.h"

namespace plumb::config {

// A key that was given by the file or the command line.
struct Given {
  Place key, value;
  std::string replaced;  // "2 (llama-1b.yaml:16)" when an override took its place
};

struct Folders {
  std::filesystem::path file, command_line;  // what relative paths of each are relative to
};

struct Reading {
  Config config;
  std::map<std::string, Given> given;  // by address with indices; groups and sections too
  std::vector<PathUse> paths;

  const Given* find(const std::string& address) const {
    const auto it = given.find(address);
    return it == given.end() ? nullptr : &it->second;
  }
};

// Applies the schema's defaults, then everything in `root`; mistakes go to `problems`.
Reading read_config(const Node& root, const Folders& folders, Problems& problems);

// One value into its place. False: it is not what the key expects; the mistake is in `problems`.
bool store(const Key& key, const Node& node, const Target& target, Problems& problems);
// The value as one would write it; empty when it is unset. Lists of maps: from the owner.
std::string render_value(const Key& key, void* owner);
// The hint for an address that the schema has not got.
std::string unknown_hint(const std::string& address);

}  // namespace plumb::config
