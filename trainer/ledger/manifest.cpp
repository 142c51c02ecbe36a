#include "trainer/ledger/manifest.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/config/utf8.h"
#include "core/files.h"
#include "core/json.h"

extern char** environ;

namespace plumb::ledger {

namespace fs = std::filesystem;

namespace {

// The environment is bytes, a manifest is UTF-8: a byte that is none is written as \xff.
std::string as_utf8(const std::string& bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = config::utf8_length(bytes, at);
    text += length > 0 ? bytes.substr(at, length) : fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[at]));
    at += std::max<size_t>(length, 1);
  }
  return text;
}

}  // namespace

void update_manifest(const fs::path& folder, const nlohmann::ordered_json& values) {
  const auto file = folder / "manifest.json";
  nlohmann::ordered_json manifest = fs::exists(file) ? core::parse_json_file(file) : nlohmann::ordered_json::object();
  manifest.update(values);
  core::write_text(file, manifest.dump(2) + "\n");
}

nlohmann::ordered_json recorded_environment() {
  static const std::vector<std::string> prefixes = {"OMPI_", "PMIX_", "SLURM_", "NCCL_"};
  static const std::vector<std::string> names = {"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "TMPDIR"};
  nlohmann::ordered_json recorded = nlohmann::ordered_json::object();
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const auto name = text.substr(0, text.find('='));
    const bool wanted =
        std::find(names.begin(), names.end(), name) != names.end() ||
        std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& p) { return name.starts_with(p); });
    // Launchers pass job secrets through their own variables.
    const bool secret = name.find("KEY") != std::string::npos || name.find("TOKEN") != std::string::npos ||
                        name.find("SECRET") != std::string::npos || name.find("CRED") != std::string::npos ||
                        name.find("SECURITY") != std::string::npos || name.find("PASSWORD") != std::string::npos;
    if (wanted && !secret) recorded[as_utf8(name)] = as_utf8(text.substr(std::min(text.size(), name.size() + 1)));
  }
  return recorded;
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

}  // namespace plumb::ledger
