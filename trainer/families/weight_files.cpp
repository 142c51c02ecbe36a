#include "trainer/families/weight_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"

namespace plumb::families {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kIndexLimit = uint64_t{256} << 20;
constexpr size_t kMostShards = 10'000;

// A shard is a plain file name in the same folder. Links that leave the folder are refused, except those of the Hugging
// Face cache, whose snapshots/REVISION/NAME points to blobs/HASH of the same repository.
fs::path shard_path(const fs::path& folder, const std::string& name, const std::string& where) {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
                     name.find('\\') == std::string::npos && name.find('\0') == std::string::npos &&
                     name.size() < 256 && name.ends_with(".safetensors");
  if (!plain) {
    const std::string shown = nlohmann::json(name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    fail_input(where, "expected the name of a .safetensors file in the same folder, found " + shown.substr(0, 120),
               "an index may not point outside its folder");
  }
  std::error_code error;
  const fs::path home = fs::canonical(folder, error);
  const fs::path target = error ? fs::path() : fs::canonical(folder / name, error);
  if (error)
    fail_input((folder / name).string(), "cannot open: " + error.message(), "the folder is incomplete; fetch it again");
  const bool cached = home.parent_path().filename() == "snapshots" &&
                      target.parent_path() == home.parent_path().parent_path() / "blobs";
  if (target.parent_path() != home && !cached) {
    fail_input((folder / name).string(), "it is a link that leaves the folder", "copy the file into the folder");
  }
  return target;
}

}  // namespace

WeightFiles::WeightFiles(const fs::path& folder) {
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code error;
  if (fs::exists(index, error)) {
    open_indexed(folder, index);
    return;
  }
  if (!fs::exists(fs::symlink_status(folder / "model.safetensors", error))) {
    const bool pickled =
        fs::exists(folder / "pytorch_model.bin", error) || fs::exists(folder / "pytorch_model.bin.index.json", error);
    fail_input(folder.string(), "found neither model.safetensors nor model.safetensors.index.json",
               pickled ? "pickled weights (pytorch_model.bin) are never read; save the model as safetensors"
                       : "a model folder has config.json, the weights and tokenizer.json");
  }
  open(folder, "model.safetensors");
  add_tensors(0);
}

void WeightFiles::open(const fs::path& folder, const std::string& name) {
  Shard shard;
  shard.name = name;
  shard.path = shard_path(folder, name, folder.string());
  shard.file = std::make_unique<formats::SafetensorsFile>(shard.path);
  shards_.push_back(std::move(shard));
}

void WeightFiles::add_tensors(size_t shard) {
  for (const auto& entry : shards_[shard].file->entries()) {
    const auto [it, added] = shard_of_.emplace(entry.name, shard);
    if (!added) {
      fail_input(shards_[shard].path.string(),
                 fmt::format("the tensor {} stands in {} too", entry.name, shards_[it->second].name),
                 "the folder mixes two exports; fetch or export it again");
    }
  }
}

void WeightFiles::open_indexed(const fs::path& folder, const fs::path& index) {
  const std::string where = index.string();
  const auto json = core::parse_json_file(index, kIndexLimit);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object()) {
    fail_input(where, "expected an object with weight_map: tensor name -> file name");
  }
  std::map<std::string, std::string> file_of;
  std::set<std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) fail_input(where, "weight_map: expected the name of a file for " + tensor);
    file_of[tensor] = file.get<std::string>();
    files.insert(file.get<std::string>());
    if (files.size() > kMostShards) fail_input(where, fmt::format("weight_map names more than {} files", kMostShards));
  }
  for (const auto& file : files) shard_path(folder, file, where);  // all names before the first open
  for (const auto& file : files) {
    open(folder, file);
    add_tensors(shards_.size() - 1);
  }
  for (const auto& [tensor, file] : file_of) {
    const auto it = shard_of_.find(tensor);
    if (it == shard_of_.end() || shards_[it->second].name != file) {
      fail_input(where,
                 fmt::format("weight_map says that {} is in {}, but it is {}", tensor, file,
                             it == shard_of_.end() ? "nowhere" : "in " + shards_[it->second].name),
                 "the folder is incomplete or mixes two exports; fetch or export it again");
    }
  }
  for (const auto& [tensor, shard] : shard_of_) {
    if (!file_of.count(tensor)) {
      fail_input(shards_[shard].path.string(), "it has the tensor " + tensor + ", which the index does not name",
                 "the folder mixes two exports; fetch or export it again");
    }
  }
}

WeightFiles::Found WeightFiles::find(const std::string& name) const {
  const auto it = shard_of_.find(name);
  if (it == shard_of_.end()) return {};
  const auto* file = shards_[it->second].file.get();
  return {file, file->find(name)};
}

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> out;
  for (const auto& [name, shard] : shard_of_) out.push_back(name);
  return out;
}

const fs::path& WeightFiles::path_of(const std::string& name) const { return shards_[shard_of_.at(name)].path; }

std::string WeightFiles::digest(uint64_t full_limit) const {
  constexpr uint64_t kBlock = uint64_t{1} << 20, kStride = uint64_t{64} << 20;
  uint64_t total = 0;
  for (const auto& shard : shards_) total += fs::file_size(shard.path);
  core::Sha256 hash;
  for (const auto& shard : shards_) {
    if (total <= full_limit) {
      hash.update(fmt::format("{}\n{}\n", shard.name, core::sha256_file(shard.path)));
      continue;
    }
    const core::MappedFile map(shard.path);
    const auto bytes = map.bytes();
    hash.update(fmt::format("{}\n{}\n", shard.name, bytes.size()));
    for (const auto& entry : shard.file->entries()) {
      hash.update(fmt::format("{} {} {} {} {}\n", entry.name, formats::name_of(entry.dtype),
                              fmt::join(entry.shape, ","), entry.begin, entry.end));
    }
    for (uint64_t at = 0; at < bytes.size(); at += kStride) {
      hash.update(fmt::format("{:016x}\n", core::xxh3(bytes.subspan(at, std::min(kBlock, bytes.size() - at)))));
    }
    hash.update(fmt::format("{:016x}\n", core::xxh3(bytes.last(std::min<uint64_t>(kBlock, bytes.size())))));
  }
  return hash.hex();
}

}  // namespace plumb::families
