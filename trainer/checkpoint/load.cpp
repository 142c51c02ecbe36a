#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "trainer/checkpoint/agreement.h"
#include "trainer/checkpoint/folders.h"
#include "trainer/checkpoint/manifest.h"

namespace plumb::checkpoint {
namespace {

namespace fs = std::filesystem;
using engine::StatePart;

constexpr int64_t kPiece = int64_t{1} << 22;  // elements read at a time

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

void check_shape(const fs::path& folder, const StoredTensor& tensor, const std::vector<int64_t>& shape) {
  if (tensor.shape == shape) return;
  fail_input((folder / kManifestName).string() + ": tensor " + tensor.key,
             "expected the shape " + text_of(shape) + ", found " + text_of(tensor.shape),
             "the checkpoint is of a model of another shape");
}

void fill(const Manifest& manifest, const PartReader& reader, const StatePart& part) {
  const StoredTensor* tensor = reader.find(part.key());
  if (tensor == nullptr) {
    fail_input((manifest.folder / kManifestName).string(), "there is no tensor " + part.key(),
               "the checkpoint is of another model, or something else was trained");
  }
  check_shape(manifest.folder, *tensor, part.shape);
  at::Tensor piece = at::empty({std::min(kPiece, part.end - part.begin)}, at::kFloat);
  for (int64_t begin = part.begin; begin < part.end; begin += kPiece) {
    const int64_t count = std::min(kPiece, part.end - begin);
    reader.read(*tensor, begin, {piece.data_ptr<float>(), static_cast<size_t>(count)});
    at::Tensor target = part.data.narrow(0, begin - part.begin, count);
    target.copy_(piece.narrow(0, 0, count));
  }
}

// What the checkpoint holds beyond the registries of all ranks; empty when nothing is left over.
std::string left_over(const Manifest& manifest, const std::vector<std::string>& keys_of_ranks) {
  std::set<std::string> wanted;
  for (const std::string& keys : keys_of_ranks) {
    for (const auto& key : nlohmann::json::parse(keys)) wanted.insert(key.get<std::string>());
  }
  for (const StoredTensor& tensor : manifest.tensors) {
    if (wanted.count(tensor.key) == 0) return tensor.key;
  }
  return "";
}

class CheckpointWeights : public model::WeightSource {
 public:
  explicit CheckpointWeights(const Manifest& manifest) : folder_(manifest.folder), reader_(manifest) {
    core::Sha256 hash;
    for (const FileRecord& file : manifest.files) hash.update(file.name + " " + file.sha256 + "\n");
    digest_ = hash.hex();
  }

  bool has(const std::string& name) const override { return find(name) != nullptr; }

  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override {
    const StoredTensor* tensor = find(name);
    if (tensor == nullptr) {
      fail_input((folder_ / kManifestName).string(), "there are no weights " + name,
                 "the checkpoint is of another model, or holds only adapters");
    }
    check_shape(folder_, *tensor, shape);
    const int64_t elements = element_count(shape);
    if (begin < 0 || begin > elements || static_cast<int64_t>(out.size()) > elements - begin) {
      fail_internal("a range outside of " + name + " was asked for");
    }
    reader_.read(*tensor, begin, out);
  }

  std::string digest() const override { return digest_; }

 private:
  const StoredTensor* find(const std::string& name) const {
    const StoredTensor* tensor = reader_.find(name);
    return tensor != nullptr && tensor->role == "weight" ? tensor : nullptr;
  }

  fs::path folder_;
  PartReader reader_;
  std::string digest_;
};

}  // namespace

Manifest open(const fs::path& step_folder, bool verify) {
  Manifest manifest = read_manifest(step_folder);
  if (!verify) return manifest;
  for (const FileRecord& file : manifest.files) verify_file(manifest, file, true);
  manifest.verified = true;
  return manifest;
}

std::optional<Manifest> newest_good(const fs::path& run, std::vector<std::string>* notices, bool verify) {
  for (const int64_t step : steps_in(run)) {
    try {
      return open(run / name_of_step(step), verify);
    } catch (const Error& error) {
      if (notices == nullptr) continue;
      notices->push_back(name_of_step(step) + " is damaged and was skipped: " + error.where() + ": " + error.message());
    }
  }
  return std::nullopt;
}

void load(const Manifest& manifest, engine::StateRegistry& state, parallel::Communicator& shard) {
  const bool verified = parallel::all_reduce_value(shard, int64_t{manifest.verified}, parallel::Sum::max) > 0;
  const auto keys = agree(shard, [&] {
    for (size_t i = 0; i < manifest.files.size() && !verified; ++i) {
      if (static_cast<int>(i % static_cast<size_t>(shard.size())) == shard.rank()) {
        verify_file(manifest, manifest.files[i], true);
      }
    }
    nlohmann::json own = nlohmann::json::array();
    for (const StatePart& part : state.parts) own.push_back(part.key());
    return own.dump();
  });
  agree(shard, [&] {
    const PartReader reader(manifest);
    for (const StatePart& part : state.parts) fill(manifest, reader, part);
    return std::string();
  });
  if (const std::string key = left_over(manifest, keys); !key.empty()) {
    fail_input((manifest.folder / kManifestName).string(), "it holds " + key + ", which this run does not train",
               "the checkpoint is of another model, or something else was trained");
  }
  state.values = manifest.values;
  if (state.after_load) state.after_load();
}

std::unique_ptr<model::WeightSource> weights(const Manifest& manifest) {
  return std::make_unique<CheckpointWeights>(manifest);
}

}  // namespace plumb::checkpoint
