// What is written must not lie where a source reads: the next build would take it for documents.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "core/config/cross_rules.h"
#include "core/files.h"

namespace plumb::config {
namespace {

namespace fs = std::filesystem;

// Of a run and of a cache, those whose kinds are read as texts.
constexpr const char* kWritten[] = {"metrics.jsonl",      "manifest.json",        "report.md",
                                    "scores.json",        "step-1/manifest.json", "export/config.json",
                                    "digest/report.json", "digest/sources.jsonl"};

class FolderRules {
 public:
  FolderRules(const Reading& reading, Problems& problems) : reading_(reading), problems_(problems) {}

  void run() {
    const auto& config = reading_.config;
    const auto all = [&](const std::string& list, const std::vector<Source>& sources) {
      for (size_t i = 0; i < sources.size(); ++i) source(fmt::format("{}[{}].path", list, i), sources[i].path);
    };
    all("data.sources", config.data.sources);
    all("data.validation", config.data.validation);
    if (config.data.replay) all("data.replay.sources", config.data.replay->sources);
    if (config.tokenizer.extend) all("tokenizer.extend.sources", config.tokenizer.extend->sources);
  }

 private:
  const Reading& reading_;
  Problems& problems_;

  void source(const std::string& address, const std::string& path) {
    if (path.empty() || core::is_remote(path)) return;
    const auto& config = reading_.config;
    // Left out, data.cache follows output.folder, and so does the mistake.
    if (reads_in(path, config.output.folder))
      error("output.folder", address, config.output.folder);
    else if (reads_in(path, config.data.cache))
      error("data.cache", address, config.data.cache);
  }

  static bool reads_in(const std::string& path, const fs::path& folder) {
    const auto reach = reach_of(path);
    const auto inside = place_in(folder, reach.folder);
    if (inside.empty()) return false;
    const auto hidden = [](const fs::path& name) { return name.string().starts_with('.') && name != "."; };
    if (std::any_of(inside.begin(), inside.end(), hidden)) return false;  // is passed over
    if (path.find_first_of("*?[") == std::string::npos) return true;
    // In the words of the pattern, whatever links it goes through.
    const auto written = (reach.folder / inside).lexically_normal();
    const int flags = FNM_PERIOD | (path.find("**") == std::string::npos ? FNM_PATHNAME : 0);
    return std::any_of(std::begin(kWritten), std::end(kWritten),
                       [&](const char* name) { return ::fnmatch(path.c_str(), (written / name).c_str(), flags) == 0; });
  }

  void error(const std::string& ours, const std::string& address, const std::string& folder) {
    const Given* given = reading_.find(ours);
    if (!given) given = reading_.find(address);
    problems_.add(
        given ? given->key : Place{}, fmt::format("expected {} outside {}, found it inside: {}", ours, address, folder),
        "the next build would read what is written there: name another folder, or give the texts one of their own");
  }
};

}  // namespace

void folder_rules(const Reading& reading, Problems& problems) { FolderRules(reading, problems).run(); }

}  // namespace plumb::config
