// What keys ask of each other, and defaults that depend on other keys.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/config/reader.h"

namespace plumb::config {

struct Derived {
  std::map<std::string, std::string> origins;   // address -> "preset llama-1b"
  std::map<std::string, std::string> replaced;  // address -> "2048 (preset llama-1b)"
  std::vector<std::string> warnings;
};

// Fills defaults that follow from the purpose, the preset or other keys, then checks the rules between keys.
Derived derive_and_check(Reading& reading, const std::filesystem::path& base_folder, Purpose purpose,
                         Problems& problems);
// A part of it: data.privacy and data.decontaminate.
void privacy_rules(const Reading& reading, Problems& problems);
void extend_rules(const Reading& reading, Purpose purpose, Problems& problems);
void field_rules(const Reading& reading, Problems& problems);
void folder_rules(const Reading& reading, Problems& problems);

// Where a source's path or pattern looks: into one folder, or into those below it too.
struct Reach {
  std::filesystem::path folder;
  bool deep = true;
};
Reach reach_of(const std::string& path);
// `what` as seen from `folder` ("." is the folder itself), links followed; empty when it lies outside.
std::filesystem::path place_in(const std::filesystem::path& what, const std::filesystem::path& folder);
// Keys that have no effect under this configuration, so that a saved configuration leaves them out.
std::vector<std::string> pointless_keys(const Config& config);

}  // namespace plumb::config
