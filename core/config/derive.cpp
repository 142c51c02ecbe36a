// Defaults that follow from the purpose, the preset or other keys.
#include "core/config/derive.h"

#include <fmt/format.h>

#include "core/config/cross_rules.h"
#include "core/config/presets.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

void take_preset(Reading& reading, Derived& derived, Problems& problems) {
  auto& model = reading.config.model;
  const Preset* preset = find_preset(model.preset);
  if (!preset) {
    std::vector<std::string> names;
    std::string list;
    for (const auto& known : presets()) {
      names.push_back(known.name);
      list += (list.empty() ? "" : ", ") + known.name;
    }
    const Given* given = reading.find("model.preset");
    const auto near = nearest(model.preset, names);
    problems.add(given ? given->value : Place{}, fmt::format("unknown preset \"{}\"", model.preset),
                 near ? fmt::format("did you mean {}?", *near) : "presets: " + list);
    return;
  }
  const std::string origin = "preset " + preset->name;
  // What the file changes of the preset is printed: note the preset's own value.
  ModelSection own;
  apply_preset(*preset, own);
  Config as_published;
  as_published.model = own;
  for (const auto& address : apply_preset(*preset, model)) derived.origins[address] = origin;
  for (const auto& key : all_keys()) {
    if (!key.address.starts_with("model.") || !reading.find(key.address)) continue;
    const std::string value = render_value(key, &as_published);
    if (!value.empty() && value != render_value(key, &reading.config))
      derived.replaced[key.address] = fmt::format("{} ({})", value, origin);
  }
}

// What neither file nor preset says of the shape of a model that starts from random weights.
void complete_shape(Config& config, Derived& derived) {
  auto& model = config.model;
  const auto fill = [&](auto& field, const auto& value, const std::string& name, const std::string& from) {
    if (field || !value) return;
    field = *value;
    derived.origins["model." + name] = "derived from " + from;
  };
  fill(model.num_key_value_heads, model.num_attention_heads, "num_key_value_heads", "model.num_attention_heads");
  const int64_t heads = model.num_attention_heads.value_or(0), width = model.hidden_size.value_or(0);
  std::optional<int64_t> head_dim;  // what does not divide is said by the rules between keys
  if (heads > 0 && width > 0 && width % heads == 0) head_dim = width / heads;
  fill(model.head_dim, head_dim, "head_dim", "model.hidden_size / model.num_attention_heads");
  fill(model.max_position_embeddings, std::optional(config.data.sequence_length), "max_position_embeddings",
       "data.sequence_length");
  model.rope_theta = model.rope_theta.value_or(10000);
  model.rms_norm_eps = model.rms_norm_eps.value_or(1e-5);
  model.tie_word_embeddings = model.tie_word_embeddings.value_or(false);
  model.initializer_range = model.initializer_range.value_or(0.02);
  model.attention_dropout = model.attention_dropout.value_or(0);
  model.hidden_dropout = model.hidden_dropout.value_or(0);
}

void name_sources(std::vector<Source>& sources) {
  for (auto& source : sources) {
    if (!source.name.empty()) continue;
    std::filesystem::path path = source.path;
    // "corpus/web/*.jsonl.zst" is named by its folder.
    if (path.filename().string().find('*') != std::string::npos && path.has_parent_path()) path = path.parent_path();
    std::string name = path.filename().string();
    source.name = name.substr(0, name.find('.', 1));
  }
}

}  // namespace

bool is_tuning(const Config& config, Purpose purpose) {
  return purpose == Purpose::tune || (purpose != Purpose::train && !config.model.base.empty());
}

void derive(Reading& reading, const std::filesystem::path& base_folder, Purpose purpose, Derived& derived,
            Problems& problems) {
  Config& config = reading.config;
  const bool tuning = is_tuning(config, purpose);
  if (!config.model.preset.empty()) take_preset(reading, derived, problems);
  const bool described = !config.model.family.empty() || find_preset(config.model.preset);
  if (described && config.model.base.empty()) complete_shape(config, derived);
  auto& method = config.method;
  if (method.name.empty()) method.name = tuning ? "sft" : "pretrain";
  if (!reading.find("method.lora.alpha")) method.lora.alpha = 2 * static_cast<double>(method.lora.rank);
  if (config.data.packing.empty()) config.data.packing = method.name == "pretrain" ? "concat" : "best_fit";
  if (!reading.find("data.seed")) config.data.seed = config.train.seed;
  if (!reading.find("train.optimizer.weight_decay")) config.train.optimizer.weight_decay = tuning ? 0 : 0.1;
  if (!reading.find("eval.before")) config.eval.before = tuning;
  name_sources(config.data.sources);
  name_sources(config.data.validation);
  if (config.tokenizer.extend) name_sources(config.tokenizer.extend->sources);
  if (config.data.replay) name_sources(config.data.replay->sources);
  const std::filesystem::path file = problems.name();
  const std::string stem = file.stem().empty() ? "run" : file.stem().string();
  auto& output = config.output;
  if (output.folder.empty()) output.folder = (base_folder / "runs" / stem).lexically_normal().string();
  const std::filesystem::path folder = output.folder;
  if (output.name.empty()) output.name = folder.filename().string();
  if (output.export_.folder.empty()) output.export_.folder = (folder / "export").string();
  if (config.data.cache.empty()) config.data.cache = (folder.parent_path() / "cache").string();
}

}  // namespace plumb::config
