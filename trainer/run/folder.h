// The run's folder: what stands in it, and whether a run starts, goes on, or is finished.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config/load.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/run/folder_lock.h"

namespace plumb::run {

struct FolderState {
  bool exists = false;                         // a run has been here (resolved.yaml)
  bool finished = false;                       // its manifest says done
  std::optional<checkpoint::Manifest> newest;  // verified
  nlohmann::ordered_json manifest;             // the run's, not the checkpoint's
  std::string resolved_yaml;
  std::vector<std::string> notices;  // damaged checkpoints that were passed over, accepted changes
  std::shared_ptr<FolderLock> lock = std::make_shared<FolderLock>();  // taken by the rank that writes
};

// Reads the folder and applies train.resume and train.accept_changes. Throws Error(bad_input): `never` and something
// is there; `required` or step-N and nothing is; keys that change the weights differ (lists them with the ways out).
// `writes`: the folder is locked.
FolderState open_run_folder(const config::Loaded&, bool writes);

// First start: config.yaml, resolved.yaml, tokenizer/, manifest.json. Later: resolved-K.yaml beside it.
void start_run_folder(const config::Loaded&, const FolderState&, const std::filesystem::path& tokenizer,
                      const nlohmann::ordered_json& manifest);

// Checkpoints later than the one that the run goes on from - train.resume=step-N, or damaged ones, which must not count
// as kept when checkpoints are pruned - are renamed, nothing is deleted. A line for each. Called when nothing can
// refuse the start any more.
std::vector<std::string> set_aside_later_steps(const std::filesystem::path& folder, const FolderState&);
}  // namespace plumb::run
