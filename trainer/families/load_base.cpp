#include "trainer/families/load_base.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "trainer/families/family.h"
#include "trainer/families/fields.h"
#include "trainer/families/weight_files.h"

namespace plumb::families {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
constexpr uint64_t kConfigLimit = uint64_t{16} << 20;

bool readable_weights(formats::Dtype dtype) {
  using enum formats::Dtype;
  return dtype == f16 || dtype == bf16 || dtype == f32 || dtype == f64;
}

class FolderWeights : public model::WeightSource {
 public:
  FolderWeights(const fs::path& folder, const model::ModelSpec& spec, std::string config_text)
      : folder_(folder), files_(folder), config_text_(std::move(config_text)) {
    const Family& family = family_of(spec.family, folder.string());
    for (auto& tensor : tensors(spec)) by_canonical_[tensor.canonical] = std::move(tensor);
    std::map<std::string, bool> expected;
    for (const auto& [canonical, tensor] : by_canonical_) {
      check(tensor);
      expected[tensor.hugging_face] = true;
    }
    check_tied(spec, family);
    for (const auto& name : files_.names()) {
      const bool second_head = spec.tie_word_embeddings && name == family.hugging_face_name("head.weight");
      if (expected.count(name) || family.ignored(name) || second_head) continue;
      fail_input(files_.path_of(name).string(), "unexpected tensor " + name,
                 fmt::format("a {} of this shape has no such tensor; is config.json from another model?", spec.family));
    }
  }

  bool has(const std::string& name) const override { return by_canonical_.count(name) > 0; }

  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override {
    const auto it = by_canonical_.find(name);
    if (it == by_canonical_.end()) fail_input(folder_.string(), "has no tensor " + name);
    if (it->second.shape != shape) {
      fail_input(folder_.string(), fmt::format("{}: expected the shape [{}], found [{}]", name, fmt::join(shape, ", "),
                                               fmt::join(it->second.shape, ", ")));
    }
    const auto found = files_.find(it->second.hugging_face);
    found.file->read(*found.entry, begin, out);
  }

  std::string digest() const override {
    std::call_once(once_, [&] {
      core::Sha256 hash;
      hash.update(core::sha256(config_text_) + "\n" + files_.digest());
      digest_ = hash.hex();
    });
    return digest_;
  }

 private:
  void check(const NamedTensor& tensor) const {
    const auto found = files_.find(tensor.hugging_face);
    if (!found.file) {
      fail_input(folder_.string(), "the tensor " + tensor.hugging_face + " is missing",
                 "the folder is incomplete, or config.json is from another model");
    }
    const std::string where = files_.path_of(tensor.hugging_face).string() + ": tensor " + tensor.hugging_face;
    if (found.entry->shape != tensor.shape) {
      fail_input(where, fmt::format("expected the shape [{}] by config.json, found [{}]", fmt::join(tensor.shape, ", "),
                                    fmt::join(found.entry->shape, ", ")));
    }
    if (!readable_weights(found.entry->dtype)) {
      fail_input(where, "expected F16, BF16, F32 or F64, found " + formats::name_of(found.entry->dtype),
                 "quantised weights are not read; use the unquantised folder of this model");
    }
  }

  // A tied head that is stored too must be the same matrix: which of two different ones is meant cannot be known.
  void check_tied(const model::ModelSpec& spec, const Family& family) const {
    if (!spec.tie_word_embeddings) return;
    const std::string head = family.hugging_face_name("head.weight");
    const auto stored = files_.find(head);
    if (!stored.file) return;
    const auto embedding = files_.find(family.hugging_face_name("embedding.weight"));
    const auto a = stored.file->bytes(*stored.entry), b = embedding.file->bytes(*embedding.entry);
    if (stored.entry->dtype != embedding.entry->dtype || a.size() != b.size() ||
        std::memcmp(a.data(), b.data(), a.size()) != 0) {
      fail_input(files_.path_of(head).string(),
                 "config.json ties the head to the embedding, but " + head + " differs from it",
                 "set tie_word_embeddings to false, or remove the stored head");
    }
  }

  fs::path folder_;
  WeightFiles files_;
  std::string config_text_;
  std::map<std::string, NamedTensor> by_canonical_;
  mutable std::once_flag once_;
  mutable std::string digest_;
};

std::optional<int32_t> one_id(const Fields& config, const std::optional<Fields>& generation, const char* key) {
  auto ids = config.token_ids(key);
  if (ids.empty() && generation) ids = generation->token_ids(key);
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

void read_ids(const Fields& config, const std::optional<Fields>& generation, LoadedBase& base) {
  base.bos_id = one_id(config, generation, "bos_token_id");
  base.pad_id = one_id(config, generation, "pad_token_id");
  auto eos = generation ? generation->token_ids("eos_token_id") : std::vector<int32_t>();
  if (eos.empty()) eos = config.token_ids("eos_token_id");
  for (const int32_t id : eos) {
    if (id >= base.spec.vocab_size) {
      fail_input(config.where(),
                 fmt::format("eos_token_id: expected less than vocab_size {}, found {}", base.spec.vocab_size, id));
    }
    if (std::find(base.eos_ids.begin(), base.eos_ids.end(), id) == base.eos_ids.end()) base.eos_ids.push_back(id);
  }
}

}  // namespace

bool is_hugging_face_folder(const fs::path& folder) {
  std::error_code error;
  return fs::is_regular_file(folder / "config.json", error);
}

std::string read_chat_template(const fs::path& folder) {
  std::error_code error;
  const fs::path text = folder / "chat_template.jinja", config = folder / "tokenizer_config.json";
  if (fs::exists(text, error)) return core::read_text(text, kConfigLimit);
  if (!fs::exists(config, error)) return "";
  const Json json = core::parse_json_file(config, kConfigLimit);
  const Fields fields(json, config.string());
  const Json* value = fields.find("chat_template");
  if (!value) return "";
  if (!value->is_array()) return fields.text("chat_template", "");
  for (const auto& named : *value) {
    const Fields item(named, config.string() + ": chat_template");
    if (item.text("name", "") == "default") return item.text("template", "");
  }
  return "";
}

LoadedBase open_base(const fs::path& folder) {
  std::error_code error;
  const fs::path config_file = folder / "config.json";
  if (!fs::is_directory(folder, error)) {
    fail_input(folder.string(), fs::exists(folder, error) ? "expected a folder, found a file" : "no such folder",
               "a base is a plumb run, RUN/step-N or a Hugging Face folder on this machine; nothing is downloaded");
  }
  if (!is_hugging_face_folder(folder)) {
    fail_input(folder.string(), "found no config.json",
               "a Hugging Face folder has config.json, the weights and tokenizer.json");
  }
  const std::string config_text = core::read_text(config_file, kConfigLimit);
  const Json config = core::parse_json(config_text, config_file.string());
  const Fields fields(config, config_file.string());
  LoadedBase base;
  base.folder = folder;
  const std::string type = fields.text("model_type", "");
  if (type.empty()) fields.wrong("model_type", "the name of a model family");
  base.spec = family_of(type, config_file.string()).read_config(config, config_file.string());

  const fs::path generation_file = folder / "generation_config.json";
  const Json generation =
      fs::exists(generation_file, error) ? core::parse_json_file(generation_file, kConfigLimit) : Json(nullptr);
  std::optional<Fields> generation_fields;
  if (!generation.is_null()) generation_fields.emplace(generation, generation_file.string());
  read_ids(fields, generation_fields, base);
  if (fs::exists(folder / "tokenizer.json", error)) base.tokenizer = folder;
  base.chat_template = read_chat_template(folder);
  base.weights = std::make_unique<FolderWeights>(folder, base.spec, config_text);
  return base;
}

}  // namespace plumb::families
