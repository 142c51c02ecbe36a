#include "data/build/plan.h"

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "data/build/scans.h"

namespace plumb::data {

namespace {

// So many units at most where files can be cut: the number of files of a dataset stays bounded whatever its size.
constexpr uint64_t kMostUnits = 4096;

// The folder that names are relative to: that of a file, the folder itself, or what stands before a pattern.
std::string root_of(const config::Source& source, const std::vector<SourceFile>& files) {
  const auto& path = source.path;
  const auto special = path.find_first_of("*?[");
  const auto slash = path.rfind('/', special);
  const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const bool itself = files.size() == 1 && files[0].path == path;
  if (itself || special != std::string::npos) return parent;
  return path.ends_with('/') ? path : path + "/";
}

std::string name_below(const std::string& root, const std::string& path) {
  return path.starts_with(root) ? path.substr(root.size()) : std::filesystem::path(path).filename().string();
}

void cut_source(const BuildRequest& request, uint16_t source, size_t first, Plan& plan) {
  const auto whole = [&](size_t f) { return Unit::Stretch{static_cast<uint32_t>(f), {}}; };
  Unit unit;
  unit.source = source;
  const auto close = [&] {
    if (!unit.stretches.empty()) plan.units.push_back(unit);
    unit.stretches.clear(), unit.bytes = 0;
  };
  // How many rows are left for a later file is known only after the earlier ones: such a source is one unit.
  const bool limited = request.sources[source].max_documents.has_value();
  for (size_t f = first; f < plan.files.size(); ++f) {
    const auto& file = plan.files[f];
    const bool cut = !limited && file.ranges.size() > 1;
    if (!limited && (cut || unit.bytes + file.file.bytes > plan.unit_bytes)) close();
    for (const auto& range : cut ? file.ranges : std::vector<FileRange>{}) {
      unit.stretches = {{static_cast<uint32_t>(f), range}};
      unit.bytes = std::min(range.end, file.file.bytes) - std::min(range.begin, file.file.bytes);
      close();
    }
    if (cut) continue;
    unit.stretches.push_back(whole(f));
    unit.bytes += file.file.bytes;
  }
  close();
}

}  // namespace

Plan make_plan(const BuildRequest& request, const std::filesystem::path& cache, Meter& meter) {
  Plan plan;
  std::vector<std::vector<SourceFile>> files;
  std::vector<std::vector<std::filesystem::path>> passed_over;
  for (const auto& source : request.sources) {
    files.push_back(source_files(source, &passed_over.emplace_back()));
    for (const auto& file : files.back()) plan.bytes += file.bytes;
  }
  if (request.sources.size() > UINT16_MAX) fail_input("data.sources", "expected at most 65535 sources");
  plan.unit_bytes = std::max(request.unit_bytes, std::bit_ceil(plan.bytes / kMostUnits));
  std::vector<FileList> lists;
  for (size_t s = 0; s < files.size(); ++s) lists.push_back({request.sources[s].path, files[s]});
  const auto scans = scan_files(cache, lists, plan.unit_bytes, request.crew, request.threads, meter);
  for (size_t s = 0; s < request.sources.size(); ++s) {
    const auto& source = request.sources[s];
    const auto root = root_of(source, files[s]);
    auto& names = plan.passed_over.emplace_back();
    for (const auto& path : passed_over[s]) names.push_back(name_below(root, path.string()) + why_unreadable(path));
    const size_t first = plan.files.size();
    if (first + files[s].size() > UINT32_MAX) fail_input(source.path, "expected fewer than 2^32 files");
    for (size_t f = 0; f < files[s].size(); ++f) {
      plan.files.push_back({files[s][f], static_cast<uint16_t>(s), static_cast<uint32_t>(f),
                            name_below(root, files[s][f].path.string()), scans[s][f].scan.sha256,
                            scans[s][f].scan.ranges, scans[s][f].stamp});
    }
    cut_source(request, static_cast<uint16_t>(s), first, plan);
  }
  return plan;
}

}  // namespace plumb::data
