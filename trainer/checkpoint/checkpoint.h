// Checkpoints: a folder step-N/ of safetensors shards, manifest.json last. Written by all ranks, read on any number.
#pragma once
#include "parallel/communicator.h"
#include "trainer/engine/state.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plumb::checkpoint {

struct SaveResult { std::filesystem::path folder; double seconds = 0; int64_t bytes = 0; };

// Collective. Each rank of `shard` writes its parts to step-N.tmp/, hashed while written, fsynced; rank 0 gathers the
// hashes, writes manifest.json, fsyncs and renames to step-N/. On return the checkpoint is durable on every rank.
// `about` holds what is not a tensor: model spec, lora spec, loader state, metrics, resolved config, versions.
SaveResult save(const std::filesystem::path& run, int64_t step, const engine::StateRegistry&,
                const nlohmann::ordered_json& about, parallel::Communicator& shard, bool writes);

struct Manifest { std::filesystem::path folder; int64_t step = 0; nlohmann::ordered_json about, values; };
// Newest checkpoint whose manifest and every file hash verify; a damaged one is reported through `notice` and skipped.
std::optional<Manifest> newest_good(const std::filesystem::path& run, std::vector<std::string>* notices = nullptr);
Manifest open(const std::filesystem::path& step_folder, bool verify = true);   // Error(bad_input) naming the bad file

// Fills the registry's parts by intersecting ranges (any rank count to any), then calls after_load. Missing or
// differently shaped tensors: Error(bad_input).
void load(const Manifest&, engine::StateRegistry&, parallel::Communicator& shard);

// Weights of a checkpoint as a source (evaluation, tuning, export). LoRA checkpoints hold only what is trained:
// `base` gives the rest, its digest must match.
std::unique_ptr<model::WeightSource> weights(const Manifest&);

// Keeps the newest `keep_last`, the best and the kept-for-good ones; deletes others after the new one is committed.
struct Retention { int64_t keep_last = 2; std::vector<int64_t> protected_steps; };
void prune(const std::filesystem::path& run, const Retention&);

}  // namespace plumb::checkpoint
