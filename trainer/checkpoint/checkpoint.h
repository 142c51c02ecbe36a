// Checkpoints: a folder step-N/ of safetensors shards, manifest.json last. Written by all ranks, read on any number.
#pragma once
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "trainer/engine/state.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::checkpoint {

struct SaveResult {
  std::filesystem::path folder;
  double seconds = 0;
  int64_t bytes = 0;
};

// Collective. Each rank of `shard` writes its parts to step-N.tmp/, hashed while written, fsynced; rank 0 gathers the
// hashes, writes manifest.json, fsyncs and renames to step-N/. On return the checkpoint is durable on every rank.
// A rank that cannot write (disk full) makes all ranks throw its Error; what was written is removed, older checkpoints
// stay as they are. Ranks of groups that do not write (replicas) return at once.
// `about` holds what is not a tensor: model spec, lora spec, loader state, metrics, resolved config, versions.
SaveResult save(const std::filesystem::path& run, int64_t step, const engine::StateRegistry&,
                const nlohmann::ordered_json& about, parallel::Communicator& shard, bool writes);

// Bytes of the tensors in a checkpoint of this state, of all ranks of `shard` together. Collective.
int64_t bytes_of(const engine::StateRegistry&, parallel::Communicator& shard);
// Before so many bytes are saved, and when a run starts: what saves that did not end have left is removed, and
// Error(out_of_resources) where the disk has less room. For the rank that holds the run's lock.
void make_room(const std::filesystem::path& run, int64_t bytes);

// What manifest.json says, checked: names, sizes and ranges are possible, the parts of every tensor tile it exactly.
struct FileRecord {
  std::string name;  // shard-00000.safetensors: never a path
  int64_t bytes = 0;
  std::string sha256;
};
struct StoredPart {
  int64_t begin = 0, end = 0;  // flat range of the row-major tensor
  size_t file = 0;             // place in Manifest::files
};
struct StoredTensor {
  std::string key, role;          // as engine::StatePart::key() and ::role
  std::vector<int64_t> shape;     // global
  std::vector<StoredPart> parts;  // ascending
};
struct Manifest {
  std::filesystem::path folder;
  int64_t step = 0;
  nlohmann::ordered_json about, values;
  std::vector<FileRecord> files;
  std::vector<StoredTensor> tensors;  // ascending by key
  bool verified = false;              // every file had its hash when it was opened
};

// Newest checkpoint whose manifest and every file hash verify; a damaged one is reported through `notices` and skipped.
// Without `verify` the manifest alone decides: for who reads its values and no tensor.
std::optional<Manifest> newest_good(const std::filesystem::path& run, std::vector<std::string>* notices = nullptr,
                                    bool verify = true);
Manifest open(const std::filesystem::path& step_folder, bool verify = true);  // Error(bad_input) naming the bad file

// Collective. Fills the registry's parts by intersecting ranges (any rank count to any) and its values, then calls
// after_load. Missing, differently shaped or left-over tensors: Error(bad_input) on all ranks. Unless some rank's
// manifest is verified, the ranks first share out the files and check their hashes.
void load(const Manifest&, engine::StateRegistry&, parallel::Communicator& shard);

// Weights of a checkpoint as a source (evaluation, tuning, export). A LoRA checkpoint holds only what is trained;
// about.base names the path and digest() of what the rest comes from. digest() follows from the hashes of the files.
std::unique_ptr<model::WeightSource> weights(const Manifest&);

// Keeps the newest `keep_last`, the best and the kept-for-good ones; deletes others after the new one is committed.
struct Retention {
  int64_t keep_last = 2;
  std::vector<int64_t> protected_steps;
};
void prune(const std::filesystem::path& run, const Retention&);

}  // namespace plumb::checkpoint
