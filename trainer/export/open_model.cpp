#include "trainer/export/open_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/config/values.h"
#include "core/error.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/export/merged_weights.h"
#include "trainer/families/load_base.h"
#include "trainer/families/spec_json.h"
#include "trainer/model/grown_vocabulary.h"

namespace plumb::exporting {
namespace {

namespace fs = std::filesystem;
constexpr int kMostBases = 8;  // adapters on adapters; deeper is a cycle
constexpr const char* kWhat = "expected a plumb run, RUN/step-N or a Hugging Face folder with config.json";

bool is_step_name(const std::string& name) {
  return name.size() > 5 && name.rfind("step-", 0) == 0 &&
         std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// RUN/step-N/ and the like have an empty last component.
fs::path normal(const fs::path& path) {
  const fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

bool has_steps(const fs::path& folder) {
  std::error_code error;
  for (const auto& item : fs::directory_iterator(folder, error)) {
    if (item.is_directory(error) && is_step_name(item.path().filename().string())) return true;
  }
  return false;
}

// What a mistyped name was probably meant to be, else the models beside it.
std::string missing_hint(const fs::path& given, const fs::path& path) {
  if (const auto near = config::nearest_path(path)) return "did you mean " + near->string() + "?";
  std::error_code error;
  std::vector<std::string> models;
  for (const auto& item : fs::directory_iterator(path.parent_path(), error)) {
    if (has_steps(item.path()) || families::is_hugging_face_folder(item.path()))
      models.push_back(item.path().filename().string());
  }
  std::sort(models.begin(), models.end());
  if (!models.empty()) return fmt::format("models in {}: {}", path.parent_path().string(), fmt::join(models, ", "));
  const bool hub = !given.is_absolute() && std::distance(given.begin(), given.end()) == 2;
  return hub ? "nothing is downloaded: fetch a hub model with `hf download " + given.string() + "` first" : kWhat;
}

bool same_shape(model::ModelSpec a, const model::ModelSpec& b) {
  a.attention_dropout = b.attention_dropout;  // of training, not of the model
  a.hidden_dropout = b.hidden_dropout;
  a.initializer_range = b.initializer_range;
  return a == b;
}

OpenedModel open_at_depth(const fs::path& given, bool merge, int depth);

// The weights that an adapter was trained on must be the ones found now.
OpenedModel open_base_of_part(const OpenedModel& adapter, std::optional<int64_t> new_rows, const std::string& where,
                              int depth) {
  const auto base = adapter.about.find("base");
  if (base == adapter.about.end() || !base->is_object() || !base->contains("path") || !(*base)["path"].is_string() ||
      !base->contains("digest") || !(*base)["digest"].is_string()) {
    fail_input(where, "an adapter checkpoint without the path and digest of its base", "the checkpoint is damaged");
  }
  if (depth >= kMostBases) fail_input(where, "adapters stand on each other without an end");
  const fs::path path = (*base)["path"].get<std::string>();
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    fail_input(where, "its base is not there: " + path.string(), "put the base back; an adapter is nothing without it");
  }
  OpenedModel model = open_at_depth(path, true, depth + 1);
  auto shape = adapter.spec;
  if (new_rows && *new_rows <= model.spec.vocab_size && model.spec.vocab_size <= shape.vocab_size) {
    shape.vocab_size = model.spec.vocab_size;  // the checkpoint has the rest
  }
  if (!same_shape(model.spec, shape)) {
    fail_input(where, "its base " + path.string() + " has another shape than the adapter");
  }
  if (model.weights->digest() != (*base)["digest"].get<std::string>()) {
    fail_input(where, "its base " + path.string() + " is not the one the adapter was trained on",
               "the weights have changed since; name the step of a run (RUN/step-N) that stays as it is");
  }
  return model;
}

// The row from which on the checkpoint holds the vocabulary, where it holds nothing else of it.
std::optional<int64_t> read_new_rows(const OpenedModel& model, const std::string& where) {
  const auto found = model.about.find("new_rows");
  if (found == model.about.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_integer() || found->get<int64_t>() < 1 || found->get<int64_t>() >= model.spec.vocab_size) {
    fail_input(where, "new_rows: expected a row of the vocabulary, found " + found->dump(),
               "the checkpoint is damaged");
  }
  return found->get<int64_t>();
}

void open_checkpoint(const checkpoint::Manifest& manifest, bool merge, int depth, OpenedModel& model) {
  const std::string where = (manifest.folder / "manifest.json").string();
  model.path = manifest.folder;
  model.run = manifest.folder.parent_path();
  model.step = manifest.step;
  model.about = manifest.about;
  if (!model.about.is_object() || !model.about.contains("model"))
    fail_input(where, "it does not say the model's shape");
  model.spec = families::model_spec_from_json(model.about["model"], where + ": model");
  model.weights = checkpoint::weights(manifest);
  const auto new_rows = read_new_rows(model, where);
  const bool adapter = model.about.contains("lora") && !model.about["lora"].is_null();
  if (!adapter && !new_rows) return;
  const auto base = open_base_of_part(model, new_rows, where, depth);
  const auto part = std::exchange(model.weights, std::make_shared<AdapterOverBase>(model.weights, base.weights));
  if (new_rows) {
    model.weights = std::make_shared<model::GrownVocabulary>(model.weights, base.spec.vocab_size, *new_rows,
                                                             model.spec.vocab_size, part);
  }
  if (!adapter) return;
  const auto lora = families::lora_spec_from_json(model.about["lora"], where + ": lora");
  if (merge) {
    model.weights = std::make_shared<MergedWeights>(model.weights, model.spec, lora);
  } else {
    model.lora = lora;
  }
}

// The text that came with the base says more than the table's own (tools, dates): it stands where it is the same
// template.
void prefer_own_text(OpenedModel& model, const std::string& template_name) {
  if (template_name == "auto" || model.chat_template_jinja.empty()) return;
  try {
    const auto own = data::chat_template("auto", model.chat_template_jinja, *model.tokenizer);
    if (own->name() == model.chat->name()) model.chat = own;
  } catch (const Error&) {
    // A text that is not known: the named template stands.
  }
}

void read_tokenizer(const fs::path& folder, const std::string& template_name, OpenedModel& model) {
  model.tokenizer_folder = folder;
  model.tokenizer = data::load_tokenizer(folder);
  model.chat_template_jinja = families::read_chat_template(folder);
  if (model.tokenizer->vocab_size() > model.spec.vocab_size) {
    fail_input(
        folder.string(),
        fmt::format("the tokenizer has {} ids, the model {}", model.tokenizer->vocab_size(), model.spec.vocab_size),
        "tokenizer and weights are from different models");
  }
  try {
    model.chat = data::chat_template(template_name, model.chat_template_jinja, *model.tokenizer);
    prefer_own_text(model, template_name);
  } catch (const Error&) {
    // An unknown text matters only to those who render it; needed_chat says the error again.
  }
}

void add_id(std::vector<int32_t>& ids, std::optional<int32_t> id) {
  if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
}

// Ids that end an answer: those stored with the model, the tokenizer's end token, the template's stop tokens.
void complete_ids(OpenedModel& model) {
  if (model.eos_ids.empty()) add_id(model.eos_ids, model.tokenizer->eos());
  if (model.chat) {
    for (const auto& stop : model.chat->stop_tokens()) add_id(model.eos_ids, model.tokenizer->token_id(stop));
  }
  if (!model.bos_id) model.bos_id = model.tokenizer->bos();
  if (!model.pad_id) model.pad_id = model.tokenizer->pad();
}

void read_stored_ids(OpenedModel& model) {
  const auto ids = model.about.find("eos_ids");
  if (ids == model.about.end() || !ids->is_array()) return;
  for (const auto& id : *ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= model.spec.vocab_size) {
      fail_input((model.path / "manifest.json").string(),
                 "eos_ids: expected token ids of the model, found " + id.dump());
    }
    add_id(model.eos_ids, id.get<int32_t>());
  }
}

std::string template_of(const OpenedModel& model) {
  const auto name = model.about.is_object() ? model.about.find("chat_template") : model.about.end();
  return model.about.is_object() && name != model.about.end() && name->is_string() ? name->get<std::string>() : "auto";
}

OpenedModel open_hugging_face(const fs::path& path) {
  auto base = families::open_base(path);
  if (base.tokenizer.empty()) {
    fail_input(path.string(), "found no tokenizer.json",
               "save the tokenizer beside the weights (transformers: tokenizer.save_pretrained)");
  }
  OpenedModel model;
  model.path = path;
  model.spec = base.spec;
  model.weights = std::move(base.weights);
  model.eos_ids = base.eos_ids;
  model.bos_id = base.bos_id;
  model.pad_id = base.pad_id;
  read_tokenizer(base.tokenizer, "auto", model);
  model.answers = !model.chat_template_jinja.empty();
  complete_ids(model);
  return model;
}

OpenedModel open_at_depth(const fs::path& given, bool merge, int depth) {
  const fs::path path = normal(given);
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (fs::exists(path, error)) fail_input(path.string(), "expected a folder, found a file", kWhat);
    fail_input(path.string(), "no such folder", missing_hint(given, path));
  }
  const bool step = is_step_name(path.filename().string());
  if (!step && families::is_hugging_face_folder(path)) return open_hugging_face(path);
  OpenedModel model;
  if (step) {
    open_checkpoint(checkpoint::open(path), merge, depth, model);
  } else if (has_steps(path)) {
    const auto newest = checkpoint::newest_good(path, &model.notices);
    if (!newest) fail_input(path.string(), "no checkpoint of this run is whole", "every step-N folder is damaged");
    open_checkpoint(*newest, merge, depth, model);
  } else {
    fail_input(path.string(), "found no checkpoint and no config.json", kWhat);
  }
  read_tokenizer(model.run / "tokenizer", template_of(model), model);
  model.answers = model.about.value("answers", false);
  read_stored_ids(model);
  complete_ids(model);
  return model;
}

}  // namespace

OpenedModel open_model(const fs::path& model, bool merge) { return open_at_depth(model, merge, 0); }

std::string exported_jinja(const OpenedModel& model) {
  if (!model.chat) return model.chat_template_jinja;  // unknown here, and still the model's
  return model.answers || model.chat->name() != "plain" ? model.chat->jinja() : "";
}

const data::ChatTemplate& needed_chat(const OpenedModel& model) {
  if (!model.chat) data::chat_template(template_of(model), model.chat_template_jinja, *model.tokenizer);  // throws
  if (!model.chat) fail_internal("a chat template that was refused is accepted now");
  return *model.chat;
}

}  // namespace plumb::exporting
