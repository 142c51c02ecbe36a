#include "trainer/checkpoint/folders.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>

#include "core/error.h"
#include "core/files.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/manifest.h"

namespace plumb::checkpoint {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_folder(const fs::path& folder, const std::string& what, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device || error.value() == EDQUOT;
  throw Error(full ? ExitCode::out_of_resources : ExitCode::bad_input, "cannot " + what + ": " + error.message(),
              folder.string(), full ? "free space on this file system" : "check the permissions of the folder");
}

bool is_leftover(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  std::error_code error;
  return name.starts_with("step-") && name.ends_with(".tmp") && !entry.is_symlink(error) && entry.is_directory(error);
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_symlink() && entry.is_directory()) sync_tree(entry.path());
  }
  core::sync_folder(folder);
}

// From now on it is no checkpoint, whatever a crash leaves of it.
void remove_step(const fs::path& run, int64_t step) {
  const fs::path folder = run / name_of_step(step), doomed = run / (name_of_step(step) + ".removed.tmp");
  std::error_code error;
  remove_quietly(doomed);
  fs::rename(folder, doomed, error);
  if (error) fail_folder(folder, "remove the old checkpoint", error);
  core::sync_folder(run);
  fs::remove_all(doomed, error);
  if (error) fail_folder(doomed, "remove the old checkpoint", error);
}

}  // namespace

void create_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  const fs::path parent = fs::absolute(folder).parent_path();
  if (!fs::exists(parent, error)) create_folder(parent);
  fs::create_directory(folder, error);
  if (error) fail_folder(folder, "create the folder", error);
  core::sync_folder(parent);
}

void remove_leftovers(const fs::path& run) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    if (is_leftover(entry)) leftovers.push_back(entry.path());
  }
  for (const fs::path& leftover : leftovers) {
    fs::remove_all(leftover, error);
    // What was being deleted already is in nobody's way; a half-written step is.
    const std::string name = leftover.filename().string();
    const bool in_the_way = !name.ends_with(".removed.tmp") && !name.ends_with(".replaced.tmp");
    if (error && in_the_way) fail_folder(leftover, "remove what an earlier save left", error);
  }
}

void remove_quietly(const fs::path& folder) noexcept {
  std::error_code error;
  fs::remove_all(folder, error);
}

void commit(const fs::path& temporary, const fs::path& final_name) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(final_name, error))) return core::commit_folder(temporary, final_name);
  // Every file was fsynced when it was written; the folders are left.
  sync_tree(temporary);
  if (renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, final_name.c_str(), RENAME_EXCHANGE) != 0) {
    // A file system without an exchange: the old one steps aside first.
    const fs::path aside = final_name.string() + ".replaced.tmp";
    remove_quietly(aside);
    fs::rename(final_name, aside, error);
    if (error) fail_folder(final_name, "replace the checkpoint", error);
    fs::rename(temporary, final_name, error);
    if (error) {
      const std::error_code reason = error;
      fs::rename(aside, final_name, error);
      fail_folder(final_name, "replace the checkpoint", reason);
    }
    core::sync_folder(final_name.parent_path());
    return remove_quietly(aside);
  }
  core::sync_folder(final_name.parent_path());
  remove_quietly(temporary);  // now the old one
}

std::vector<int64_t> steps_in(const fs::path& run) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    const int64_t step = step_of_name(entry.path().filename().string());
    if (step >= 0 && !entry.is_symlink(error) && entry.is_directory(error)) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

void prune(const fs::path& run, const Retention& retention) {
  // Only what can be opened counts as kept: a damaged folder never pushes out a good one.
  const int64_t wanted = std::max<int64_t>(1, retention.keep_last);
  const auto& kept_for_good = retention.protected_steps;
  int64_t kept = 0;
  for (const int64_t step : steps_in(run)) {
    if (kept < wanted) {
      try {
        const Manifest manifest = open(run / name_of_step(step), false);
        for (const FileRecord& file : manifest.files) verify_file(manifest, file, false);
        ++kept;
      } catch (const Error&) {
        // Not for prune() to judge: newest_good() reports it; it goes once enough good ones are newer.
      }
      continue;
    }
    if (std::find(kept_for_good.begin(), kept_for_good.end(), step) == kept_for_good.end()) remove_step(run, step);
  }
}

}  // namespace plumb::checkpoint
