#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/checkpoint/agreement.h"
#include "trainer/checkpoint/folders.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/formats/safetensors.h"

namespace plumb::checkpoint {
namespace {

namespace fs = std::filesystem;
using engine::StatePart;
using nlohmann::ordered_json;

constexpr int64_t kPiece = int64_t{1} << 22;  // elements copied from the device at a time
constexpr int64_t kManifestRoom = int64_t{1} << 20;

void check_parts(const engine::StateRegistry& state) {
  for (const StatePart& part : state.parts) {
    const int64_t elements = element_count(part.shape);
    if (part.begin < 0 || part.end < part.begin || part.end > elements || part.data.numel() != part.end - part.begin ||
        part.data.scalar_type() != at::kFloat) {
      fail_internal("state part " + part.key() + " does not fit its range");
    }
  }
}

// Streams this rank's parts into its file. What it holds, for the manifest: file, and key, role, shape, range of each.
std::string write_shard(const fs::path& folder, int rank, const engine::StateRegistry& state) {
  std::map<std::string, const StatePart*> by_name;
  std::vector<formats::SafetensorsWriter::Declared> declared;
  ordered_json parts = ordered_json::array();
  for (const StatePart& part : state.parts) {
    if (part.begin == part.end) continue;
    const std::string name = entry_name(part.key(), part.begin, part.end);
    if (!by_name.emplace(name, &part).second) fail_internal("state part " + name + " stands twice");
    declared.push_back({name, formats::Dtype::f32, {part.end - part.begin}});
    parts.push_back(
        {{"key", part.key()}, {"role", part.role}, {"shape", part.shape}, {"begin", part.begin}, {"end", part.end}});
  }
  if (declared.empty()) return ordered_json::object().dump();
  const fs::path file = folder / shard_name(rank);
  formats::SafetensorsWriter writer(file, std::move(declared), {{"format", "plumb"}});
  for (const auto& entry : writer.order()) {
    const at::Tensor& data = by_name.at(entry.name)->data;
    for (int64_t begin = 0; begin < data.numel(); begin += kPiece) {
      const at::Tensor piece = data.narrow(0, begin, std::min(kPiece, data.numel() - begin)).to(at::kCPU).contiguous();
      writer.write({static_cast<const std::byte*>(piece.data_ptr()), piece.nbytes()});
    }
  }
  const std::string sha256 = writer.finish();
  return ordered_json{{"file", {{"name", shard_name(rank)}, {"bytes", fs::file_size(file)}, {"sha256", sha256}}},
                      {"parts", parts}}
      .dump();
}

// Joins what the ranks have written to one manifest.
Manifest join(int64_t step, const engine::StateRegistry& state, const ordered_json& about,
              const std::vector<std::string>& shards) {
  Manifest manifest;
  manifest.step = step;
  manifest.about = about;
  manifest.values = state.values;
  std::map<std::string, StoredTensor> tensors;
  for (const std::string& text : shards) {
    const ordered_json shard = ordered_json::parse(text);
    if (shard.empty()) continue;
    const auto& file = shard["file"];
    manifest.files.push_back({file["name"], file["bytes"], file["sha256"]});
    for (const ordered_json& part : shard["parts"]) {
      StoredTensor& tensor = tensors[part["key"]];
      tensor.key = part["key"];
      tensor.role = part["role"];
      tensor.shape = part["shape"].get<std::vector<int64_t>>();
      tensor.parts.push_back({part["begin"], part["end"], manifest.files.size() - 1});
    }
  }
  for (auto& [key, tensor] : tensors) {
    std::sort(tensor.parts.begin(), tensor.parts.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    int64_t place = 0;
    for (const StoredPart& part : tensor.parts) {
      if (part.begin != place)
        fail_internal("no rank, or more than one, saves element " + std::to_string(place) + " of " + key);
      place = part.end;
    }
    if (place != element_count(tensor.shape)) fail_internal("no rank saves the end of " + key);
    manifest.tensors.push_back(std::move(tensor));
  }
  return manifest;
}

}  // namespace

int64_t bytes_of(const engine::StateRegistry& state, parallel::Communicator& shard) {
  int64_t own = 0;
  for (const StatePart& part : state.parts) own += 4 * (part.end - part.begin);
  return parallel::all_reduce_value(shard, own);
}

// Free space is looked at before anything is written: a clear answer, and no disk filled to the brim.
void make_room(const fs::path& run, int64_t bytes) {
  remove_leftovers(run);
  const int64_t available = core::available_bytes(run);
  const int64_t needed = bytes + kManifestRoom;
  if (available >= needed) return;
  throw Error(ExitCode::out_of_resources,
              "a checkpoint needs " + core::human_bytes(static_cast<double>(needed)) + ", the disk has " +
                  core::human_bytes(static_cast<double>(available)),
              run.string(), "free space, lower output.checkpoint.keep_last, or set output.folder to another disk");
}

SaveResult save(const fs::path& run, int64_t step, const engine::StateRegistry& state, const ordered_json& about,
                parallel::Communicator& shard, bool writes) {
  SaveResult result{run / name_of_step(step), 0, 0};
  if (!writes) return result;
  const auto start = std::chrono::steady_clock::now();
  const bool main = shard.rank() == 0;
  const fs::path temporary = run / (name_of_step(step) + ".tmp");
  result.bytes = bytes_of(state, shard);
  try {
    agree(shard, [&] {
      check_parts(state);
      if (main) {
        create_folder(run);
        make_room(run, result.bytes);
        create_folder(temporary);
      }
      return std::string();
    });
    const auto shards = agree(shard, [&] { return write_shard(temporary, shard.rank(), state); });
    agree(shard, [&] {
      if (!main) return std::string();
      core::write_text(temporary / kManifestName, manifest_text(join(step, state, about, shards)));
      commit(temporary, result.folder);
      return std::string();
    });
  } catch (...) {
    if (main) remove_quietly(temporary);
    throw;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace plumb::checkpoint
