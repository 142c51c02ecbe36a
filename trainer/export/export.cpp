#include "trainer/export/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/export/tensor_files.h"
#include "trainer/families/family.h"

namespace plumb::exporting {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void check(const ExportRequest& request) {
  const std::string where = request.out.string();
  if (request.dtype != "bf16" && request.dtype != "fp32") {
    fail_input(where, "dtype: expected bf16 or fp32, found \"" + request.dtype + "\"");
  }
  if (request.max_shard < 1) fail_input(where, fmt::format("max_shard: expected a size, found {}", request.max_shard));
  std::error_code error;
  const auto status = fs::symlink_status(request.out, error);
  if (fs::exists(status) && !fs::is_directory(status))
    fail_input(where, "expected a new or empty folder, found a file");
  if (fs::exists(status) && !fs::is_empty(request.out, error)) {
    fail_input(where, "the folder is not empty", "engines load every .safetensors they find; name a new folder");
  }
  if (request.tokenizer.vocab_size() > request.spec.vocab_size) {
    fail_input(where, fmt::format("the tokenizer has {} ids, the model only {}", request.tokenizer.vocab_size(),
                                  request.spec.vocab_size));
  }
  for (const int32_t id : request.eos_ids) {
    if (id < 0 || id >= request.spec.vocab_size)
      fail_input(where, fmt::format("eos id {} is not in the vocabulary", id));
  }
}

struct Ids {
  std::optional<int32_t> bos, pad;
  std::vector<int32_t> eos;
};

Ids ids_of(const ExportRequest& request) {
  Ids ids{request.bos_id, request.pad_id, request.eos_ids};
  if (!ids.bos) ids.bos = request.tokenizer.bos();
  if (!ids.pad) ids.pad = request.tokenizer.pad();
  if (ids.eos.empty() && request.tokenizer.eos()) ids.eos.push_back(*request.tokenizer.eos());
  return ids;
}

Json or_null(const std::optional<int32_t>& id) { return id ? Json(*id) : Json(nullptr); }

// Numbers keep their JSON type: transformers 5 refuses a float where its config declares an int.
Json config_json(const ExportRequest& request, const Ids& ids) {
  Json config = families::family_of(request.spec.family, request.out.string()).write_config(request.spec);
  config["bos_token_id"] = or_null(ids.bos);
  config["eos_token_id"] = ids.eos.empty() ? Json(nullptr) : ids.eos.size() == 1 ? Json(ids.eos[0]) : Json(ids.eos);
  config["pad_token_id"] = or_null(ids.pad);
  const std::string dtype = request.dtype == "bf16" ? "bfloat16" : "float32";
  config["dtype"] = dtype;
  config["torch_dtype"] = dtype;  // before transformers 5
  return config;
}

Json generation_json(const Ids& ids) {
  Json generation = Json::object();
  if (ids.bos) generation["bos_token_id"] = *ids.bos;
  if (!ids.eos.empty()) generation["eos_token_id"] = ids.eos;  // a list: vLLM and transformers stop at any of them
  if (ids.pad) generation["pad_token_id"] = *ids.pad;
  return generation;
}

void write_json(const fs::path& file, const Json& json) { core::write_text(file, json.dump(2) + "\n"); }

std::vector<std::string> notes_of(const ExportRequest& request, const Ids& ids) {
  std::vector<std::string> notes;
  if (ids.eos.empty()) notes.push_back("no end token: engines will generate until their length limit");
  if (request.chat_template_jinja.empty()) {
    notes.push_back("no chat template: engines offer text completion only");
  }
  return notes;
}

// Removes a half-written export when something throws.
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& out) : path_(out.string() + ".partial") {
    fs::remove_all(path_);  // of an export that was killed
    std::error_code error;
    fs::create_directories(path_, error);
    if (error) fail_input(path_.string(), "cannot make the folder: " + error.message());
  }
  ~PartialFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  PartialFolder(const PartialFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

fs::path without_slash(fs::path path) {
  path = fs::absolute(path).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

ExportResult export_hf(const ExportRequest& given) {
  const fs::path out = without_slash(given.out);
  const ExportRequest request{given.spec,    given.weights, given.tokenizer, given.chat_template_jinja,
                              given.eos_ids, out,           given.dtype,     given.max_shard,
                              given.bos_id,  given.pad_id,  given.lora};
  check(request);
  const Ids ids = ids_of(request);
  ExportResult result;
  result.notes = notes_of(request, ids);
  const PartialFolder partial(request.out);
  const auto written = write_tensors(request, partial.path());
  result.tensor_bytes = written.bytes;
  result.merge = written.merge;
  result.largest_rounding = written.largest_rounding;
  write_json(partial.path() / "config.json", config_json(request, ids));
  write_json(partial.path() / "generation_config.json", generation_json(ids));
  data::save_tokenizer(request.tokenizer, partial.path(), request.chat_template_jinja);
  if (!request.chat_template_jinja.empty())
    core::write_text(partial.path() / "chat_template.jinja", request.chat_template_jinja);
  for (const auto& item : fs::directory_iterator(partial.path())) {
    result.files.emplace_back(item.path().filename().string(), static_cast<int64_t>(item.file_size()));
  }
  std::sort(result.files.begin(), result.files.end());
  core::commit_folder(partial.path(), request.out);
  return result;
}

std::string ExportResult::text() const {
  std::string out;
  size_t width = 0;
  for (const auto& [name, bytes] : files) width = std::max(width, name.size());
  for (const auto& [name, bytes] : files) {
    out += fmt::format("{:<{}}  {:>12}\n", name, width, core::human_bytes(static_cast<double>(bytes)));
  }
  if (merge) {
    out += fmt::format("merged {} adapted matrices in fp32; rounding takes {:.2g} % of what the adapter adds\n",
                       merge->matrices, 100 * merge->relative);
  }
  if (largest_rounding > 0) out += fmt::format("largest rounding of a weight: {:.2g}\n", largest_rounding);
  for (const auto& note : notes) out += "note: " + note + "\n";
  return out;
}

}  // namespace plumb::exporting
