// manifest.json of a checkpoint: written last, read as hostile. docs/checkpoint-format.md describes it.
#pragma once

#include <span>

#include "trainer/checkpoint/checkpoint.h"

namespace plumb::checkpoint {

inline constexpr int64_t kFormatVersion = 1;
inline constexpr const char* kManifestName = "manifest.json";

std::string shard_name(int rank);                                            // "shard-00003.safetensors"
std::string entry_name(const std::string& key, int64_t begin, int64_t end);  // "key@begin-end"
// Product of a shape; -1 when it cannot be (negative extents, overflow).
int64_t element_count(const std::vector<int64_t>& shape);

// With the digest of itself as the last key.
std::string manifest_text(const Manifest& manifest);
// Reads and checks manifest.json of a folder; no other file is looked at.
Manifest read_manifest(const std::filesystem::path& folder);

// Presence and size of a file, that it is a plain file of this folder, and its hash if `hashes`. Error(bad_input).
void verify_file(const Manifest& manifest, const FileRecord& file, bool hashes);

// Names the run's checkpoints: number of "step-N", -1 for any other name.
int64_t step_of_name(const std::string& name);
std::string name_of_step(int64_t step);

// Elements [begin, begin + out.size()) of a stored tensor, from the files that hold them.
class PartReader {
 public:
  explicit PartReader(const Manifest& manifest);
  ~PartReader();
  const StoredTensor* find(const std::string& key) const;
  void read(const StoredTensor& tensor, int64_t begin, std::span<float> out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::checkpoint
