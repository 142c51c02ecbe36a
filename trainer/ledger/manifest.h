// manifest.json of a run: what went in, on what it ran, when, and how it ended.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace plumb::ledger {

// Adds `values` to the folder's manifest.json (atomically); makes the file when it is not there.
void update_manifest(const std::filesystem::path& folder, const nlohmann::ordered_json& values);

// The launcher's and libraries' environment variables that shape a run; never credentials.
nlohmann::ordered_json recorded_environment();
std::string utc_now();  // 2026-01-31T12:00:00Z

}  // namespace plumb::ledger
