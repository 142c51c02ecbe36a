#include "trainer/run/folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "trainer/checkpoint/folders.h"
#include "trainer/ledger/manifest.h"

namespace plumb::run {

namespace fs = std::filesystem;

namespace {

bool accepted(const config::Loaded& loaded, const std::string& key) {
  const auto& list = loaded.config.train.accept_changes;
  return std::any_of(list.begin(), list.end(), [&](const std::string& name) {
    return key == name || key.starts_with(name + ".") || key.starts_with(name + "[");
  });
}

void compare_with_run(const config::Loaded& loaded, FolderState& state) {
  std::string refused;
  int count = 0;
  for (const auto& difference : config::weight_differences(loaded, state.resolved_yaml)) {
    const auto line = fmt::format("{}: {} now, {} in the run", difference.key, difference.now, difference.then);
    if (accepted(loaded, difference.key)) {
      state.notices.push_back("accepted change: " + line);
    } else {
      refused += "\n      " + line;
      ++count;
    }
  }
  if (count == 0) return;
  fail_input(loaded.config.output.folder,
             fmt::format("the run in this folder was made with other values that change the weights:{}", refused),
             fmt::format("another output.folder; or plumb tune model.base={}/step-N; or name the keys in "
                         "train.accept_changes",
                         loaded.config.output.folder));
}

// A base and what was tuned on it are two runs: their differences key by key would say nothing.
void check_same_command(const config::Loaded& loaded, const std::string& resolved_yaml) {
  const auto run =
      config::load_config_text(resolved_yaml, "resolved.yaml", loaded.config.output.folder, {}, config::Purpose::check)
          .config;
  const bool tunes = !loaded.config.model.base.empty(), tuned = !run.model.base.empty();
  if (tunes == tuned) return;
  const auto& folder = loaded.config.output.folder;
  fail_input(folder,
             fmt::format("the folder holds a {} run ({}), and this is plumb {}", tuned ? "tune" : "train",
                         run.output.name, tunes ? "tune" : "train"),
             tunes ? fmt::format("another output.folder; what was trained here is the base: model.base={}", folder)
                   : "another output.folder; train.resume goes on with a run of the same command only");
}

int64_t step_number(const std::string& name) {
  if (!name.starts_with("step-") || name.size() == 5) return -1;
  if (!std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; })) return -1;
  return name.size() > 18 ? -1 : std::stoll(name.substr(5));
}

bool has_steps(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (step_number(entry.path().filename().string()) >= 0) return true;
  }
  return false;
}

std::string names_of_steps(const fs::path& folder) {
  auto steps = checkpoint::steps_in(folder);
  std::sort(steps.begin(), steps.end());
  return steps.empty() ? "none" : fmt::format("step-{}", fmt::join(steps, " step-"));
}

void find_checkpoint(const config::Loaded& loaded, FolderState& state) {
  const fs::path folder = loaded.config.output.folder;
  const auto& resume = loaded.config.train.resume;
  if (!resume.starts_with("step-")) {
    state.newest = checkpoint::newest_good(folder, &state.notices);
    return;
  }
  if (!fs::exists(folder / resume)) {
    fail_input(folder.string(), fmt::format("train.resume is {}, and the run has no such checkpoint", resume),
               "it has " + names_of_steps(folder));
  }
  state.newest = checkpoint::open(folder / resume);
}

// What a start that was cut off may have left, and a configuration that was laid there to be run.
bool may_stand_there(const fs::path& entry, const config::Loaded& loaded, bool started) {
  const std::string name = entry.filename().string();
  if (name == "config.yaml" && !started) {
    return !loaded.file.empty() && core::read_text(entry) == core::read_text(loaded.file);
  }
  return name.starts_with(".") || name == "config.yaml" || name == "tokenizer" || name == "manifest.json" ||
         name == "log.txt";
}

// A folder without a run is written into only if that overwrites nothing.
void check_no_foreign_files(const config::Loaded& loaded) {
  const fs::path folder = loaded.config.output.folder;
  const bool started = fs::exists(folder / ".lock");
  std::vector<std::string> foreign;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!may_stand_there(entry.path(), loaded, started)) foreign.push_back(entry.path().filename().string());
  }
  if (foreign.empty()) return;
  std::sort(foreign.begin(), foreign.end());
  const auto more = foreign.size() > 1 ? fmt::format(" and {} more", foreign.size() - 1) : "";
  fail_input(folder.string(), "expected an empty folder or that of a run, found " + foreign[0] + more,
             "another output.folder: a run would write beside and over what is there");
}

}  // namespace

FolderState open_run_folder(const config::Loaded& loaded, bool writes) {
  const fs::path folder = loaded.config.output.folder;
  const auto& resume = loaded.config.train.resume;
  FolderState state;
  state.exists = fs::exists(folder / "resolved.yaml");
  if (resume == "never" && state.exists) {
    fail_input(folder.string(), "train.resume is never, but a run is in this folder",
               "another output.folder, or train.resume=auto to go on with it");
  }
  if (!state.exists) {
    if (resume == "required" || resume.starts_with("step-")) {
      fail_input(folder.string(), fmt::format("train.resume is {}, but there is no run in this folder", resume),
                 "check output.folder, or train.resume=auto to start one");
    }
    if (!fs::exists(folder)) return state;
    if (!fs::is_directory(folder)) fail_input(folder.string(), "expected a folder, found a file");
    check_no_foreign_files(loaded);
    return state;
  }
  if (writes) state.lock->take(folder);
  if (resume == "auto" && !has_steps(folder)) {
    // Nothing was trained that a change could bend.
    state.exists = false;
    state.notices.push_back("the run in this folder ended before its first checkpoint: it starts over");
    return state;
  }
  state.resolved_yaml = core::read_text(folder / "resolved.yaml");
  state.manifest = nlohmann::ordered_json::object();
  if (fs::exists(folder / "manifest.json")) state.manifest = core::parse_json_file(folder / "manifest.json");
  check_same_command(loaded, state.resolved_yaml);
  compare_with_run(loaded, state);
  find_checkpoint(loaded, state);
  if (resume == "required" && !state.newest) {
    fail_input(folder.string(), "train.resume is required, but the run has no usable checkpoint",
               "train.resume=auto starts from step 0");
  }
  state.finished = state.manifest.value("status", "") == "done";
  return state;
}

std::vector<std::string> set_aside_later_steps(const fs::path& folder, const FolderState& state) {
  const int64_t step = state.newest ? state.newest->step : -1;
  std::map<int64_t, fs::path> later;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const int64_t number = step_number(entry.path().filename().string());
    if (number > step) later[number] = entry.path();
  }
  std::vector<std::string> notices;
  for (const auto& [number, path] : later) {
    fs::path target;
    for (int k = 1; target.empty() || fs::exists(target); ++k) {
      target = folder / fmt::format("set-aside-{}-step-{}", k, number);
    }
    fs::rename(path, target);
    notices.push_back(
        fmt::format("{} is set aside as {}: the run {}", path.filename().string(), target.filename().string(),
                    state.newest ? fmt::format("goes on from step-{}", step) : std::string("starts over")));
  }
  if (!later.empty()) core::sync_folder(folder);
  return notices;
}

void start_run_folder(const config::Loaded& loaded, const FolderState& state, const fs::path& tokenizer,
                      const nlohmann::ordered_json& manifest) {
  const fs::path folder = loaded.config.output.folder;
  fs::create_directories(folder);
  state.lock->take(folder);
  if (!state.exists) {
    if (!loaded.file.empty()) core::write_text(folder / "config.yaml", core::read_text(loaded.file));
    fs::create_directories(folder / "tokenizer");
    for (const auto& entry : fs::directory_iterator(tokenizer)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() &&
          (name.starts_with("tokenizer") || name == "special_tokens_map.json" || name == "chat_template.jinja")) {
        core::write_text(folder / "tokenizer" / entry.path().filename(), core::read_text(entry.path()));
      }
    }
    auto first = manifest;
    first["status"] = "running";
    core::write_text(folder / "manifest.json", first.dump(2) + "\n");
    core::write_text(folder / "resolved.yaml", config::to_resolved_yaml(loaded));  // last: now it is a run
    return;
  }
  int start = 1;
  while (fs::exists(folder / fmt::format("resolved-{}.yaml", start))) ++start;
  core::write_text(folder / fmt::format("resolved-{}.yaml", start), config::to_resolved_yaml(loaded));
  nlohmann::ordered_json values = state.manifest.value("resumes", nlohmann::ordered_json::array());
  values.push_back(manifest);
  ledger::update_manifest(folder, {{"resumes", values}, {"status", "running"}});
}

}  // namespace plumb::run
