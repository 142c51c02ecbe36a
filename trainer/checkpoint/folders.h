// The folders of a run: creation, atomic replacement, removal that a crash cannot make look like a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace plumb::checkpoint {

// With its parents; durable. An existing folder is fine.
void create_folder(const std::filesystem::path& folder);
// step-*.tmp of saves that did not end.
void remove_leftovers(const std::filesystem::path& run);
void remove_quietly(const std::filesystem::path& folder) noexcept;
// Makes everything in `temporary` durable and gives it its final name. A folder that has the name already (the same
// step saved again) is exchanged in one atomic operation and removed.
void commit(const std::filesystem::path& temporary, const std::filesystem::path& final_name);
// Numbers of the step-N folders, descending.
std::vector<int64_t> steps_in(const std::filesystem::path& run);

}  // namespace plumb::checkpoint
