#include "data/build/passed_over.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
constexpr size_t kFirst = 100;
constexpr uint64_t kLargest = uint64_t{16} << 20;

std::filesystem::path file_of(const std::filesystem::path& dataset) { return dataset / "passed-over.json"; }

}  // namespace

void write_passed_over(const std::filesystem::path& dataset, const BuildRequest& request, const Plan& plan) {
  json list = json::array();
  for (size_t s = 0; s < plan.passed_over.size(); ++s) {
    const auto& names = plan.passed_over[s];
    if (names.empty() || (request.only_source && *request.only_source != s)) continue;
    const size_t shown = std::min(names.size(), kFirst);
    list.push_back({{"source", source_name(request.sources[s])},
                    {"files", names.size()},
                    {"first", std::vector<std::string>(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown))}});
  }
  const auto file = file_of(dataset);
  std::error_code code;
  if (list.empty()) {
    std::filesystem::remove(file, code);
  } else if (list != read_passed_over(dataset)) {
    core::write_text(file, list.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  }
}

json read_passed_over(const std::filesystem::path& dataset) {
  const auto file = file_of(dataset);
  const bool remote = is_remote(file.string());
  if (remote ? Store::of(file.string())->list(file.string()).empty() : !std::filesystem::exists(file)) {
    return json::array();
  }
  auto list = core::parse_json_file(local_file(file.string()).path(), kLargest);
  for (const auto& entry : list) {
    const bool fits =
        entry.is_object() && entry.contains("source") && entry["source"].is_string() && entry.contains("files") &&
        entry["files"].is_number_unsigned() && entry.contains("first") && entry["first"].is_array() &&
        std::all_of(entry["first"].begin(), entry["first"].end(), [](const auto& name) { return name.is_string(); });
    if (!fits) fail_input(file, "expected what `plumb data build` writes there", "remove it; a build writes it again");
  }
  return list;
}

}  // namespace plumb::data
