#include "trainer/run/material.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/config/presets.h"
#include "core/error.h"
#include "data/tokenizer/extend.h"
#include "trainer/model/grown_vocabulary.h"
#include "trainer/run/mix_plan.h"
#include "trainer/tune/lora.h"

namespace plumb::run {

namespace {

template <class T, class U>
void take(T& target, const std::optional<U>& value) {
  if (value) target = static_cast<T>(*value);
}

std::vector<int32_t> end_ids(const Material& material) {
  std::vector<int32_t> ids;
  const auto add = [&](std::optional<int32_t> id) {
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  };
  add(material.tokenizer->eos());
  if (material.base) {
    for (const int32_t id : material.base->eos_ids) add(id);
  }
  for (const auto& text : material.chat->stop_tokens()) add(material.tokenizer->token_id(text));
  return ids;
}

// A vocabulary of the base, a dataset and a tokenizer that do not belong together train on nonsense without an error.
void check_tokenizer_fits(const Material& material, const std::string& where) {
  if (material.tokenizer->vocab_size() > material.spec.vocab_size) {
    fail_input(where,
               fmt::format("expected a vocabulary of at most model.vocab_size {}, the tokenizer has {}",
                           material.spec.vocab_size, material.tokenizer->vocab_size()),
               "leave model.vocab_size out: it follows the tokenizer");
  }
}

// The rows of new tokens behind those of the base. Rows that the base has beyond its tokenizer's ids, padding that no
// text reaches, are taken first.
void grow_vocabulary(Material& material, const std::filesystem::path& folder) {
  auto extension = data::load_extension(folder);
  const int64_t first = extension.first_new, base_rows = material.spec.vocab_size;
  if (first > base_rows) {
    fail_input(
        "tokenizer.extend",
        fmt::format("expected a tokenizer of at most the base's {} ids, the one that grows has {}", base_rows, first),
        "it is another model's; leave tokenizer.path out: the base has its own");
  }
  const auto added = static_cast<int64_t>(extension.old_pieces.size());
  material.spec.vocab_size = std::max(base_rows, first + added);
  material.first_new = first;
  const auto means =
      std::make_shared<model::MeanRows>(material.weights, base_rows, first, std::move(extension.old_pieces));
  material.weights =
      std::make_shared<model::GrownVocabulary>(material.weights, base_rows, first, material.spec.vocab_size, means);
}

// The ids of one tokenizer are other texts under another: training would run, and learn nonsense.
data::DatasetPtr open_dataset(const std::filesystem::path& folder, const data::Tokenizer& tokenizer) {
  auto dataset = data::Dataset::open(folder);
  const auto made_with = dataset->tokenizer_digest(), ours = tokenizer.digest();
  if (made_with == ours) return dataset;
  fail_input(
      folder,
      fmt::format("expected a dataset made with the run's tokenizer {:.16}, found one made with {:.16}", ours,
                  made_with),
      "give tokenizer.path the tokenizer it was made with (and tokenizer.special_tokens, if they were given), or "
      "build the dataset again with this run's: plumb data build");
}

// `config` asks for a loss over held-out documents; beside data.dataset only its folder tells whether there are any.
void check_held_out(const config::Config& config, const Material& material) {
  if (material.validation) return;
  const std::string metric = "validation.loss";
  const auto& best = config.output.checkpoint;
  const bool rule = std::any_of(config.eval.pass.begin(), config.eval.pass.end(),
                                [&](const auto& pass) { return pass.metric == metric; });
  if (!rule && (best.keep_best == 0 || best.best != metric)) return;
  fail_input(config.data.dataset,
             "expected a dataset with held-out documents beside it for validation.loss, found none",
             "build it with data.validation_share, or give data.validation");
}

}  // namespace

model::ModelSpec spec_from_config(const config::ModelSection& section, const data::Tokenizer& tokenizer,
                                  int64_t sequence_length) {
  model::ModelSpec spec;
  if (!section.family.empty()) spec.family = section.family;
  if (const auto* preset = config::find_preset(section.preset)) spec.family = preset->family;
  take(spec.hidden_size, section.hidden_size);
  take(spec.intermediate_size, section.intermediate_size);
  take(spec.num_hidden_layers, section.num_hidden_layers);
  take(spec.num_attention_heads, section.num_attention_heads);
  spec.num_key_value_heads = section.num_key_value_heads.value_or(spec.num_attention_heads);
  spec.head_dim =
      section.head_dim.value_or(spec.num_attention_heads > 0 ? spec.hidden_size / spec.num_attention_heads : 0);
  spec.max_position_embeddings = section.max_position_embeddings.value_or(sequence_length);
  spec.vocab_size = section.vocab_size.value_or(tokenizer.vocab_size());
  take(spec.rope_theta, section.rope_theta);
  take(spec.rms_norm_eps, section.rms_norm_eps);
  take(spec.initializer_range, section.initializer_range);
  take(spec.attention_dropout, section.attention_dropout);
  take(spec.hidden_dropout, section.hidden_dropout);
  take(spec.tie_word_embeddings, section.tie_word_embeddings);
  spec.validate("model");
  return spec;
}

Material open_material(const config::Loaded& loaded, const MaterialPaths& paths) {
  const auto& config = loaded.config;
  use_object_cache(config);
  Material material;
  if (!config.model.base.empty()) material.base = exporting::open_model(config.model.base);
  material.tokenizer = data::load_tokenizer(paths.tokenizer);
  material.chat = data::chat_template(config.tokenizer.chat_template,
                                      material.base ? material.base->chat_template_jinja : "", *material.tokenizer);
  if (material.base) {
    material.spec = material.base->spec;
    material.weights = material.base->weights;
    if (config.model.attention_dropout) material.spec.attention_dropout = *config.model.attention_dropout;
    if (config.model.hidden_dropout) material.spec.hidden_dropout = *config.model.hidden_dropout;
  } else {
    material.spec = spec_from_config(config.model, *material.tokenizer, config.data.sequence_length);
  }
  if (config.tokenizer.extend) grow_vocabulary(material, paths.tokenizer);
  check_tokenizer_fits(material, "tokenizer");
  material.trained.lora = tune::lora_from_config(config.method);
  // Beside an adapter the old rows are frozen, and new ones that stayed at their mean would never mean anything.
  const bool rows_alone = config.tokenizer.extend && config.tokenizer.extend->train == "new_rows";
  if (rows_alone || material.trained.lora) material.trained.new_rows = material.first_new;
  material.end_ids = end_ids(material);
  material.sets = paths.sets;
  for (const auto& part : paths.train) {
    material.train.push_back({open_dataset(part.folder, *material.tokenizer), part.weight, part.name});
  }
  if (!paths.validation.empty()) material.validation = open_dataset(paths.validation, *material.tokenizer);
  if (!paths.replay.empty()) material.replay = open_dataset(paths.replay, *material.tokenizer);
  check_held_out(config, material);

  data::RowStream::Options options;
  options.seed = config.data.seed;
  options.shuffle = config.data.shuffle;
  options.pad_id = material.tokenizer->pad().value_or(0);
  options.plan = mix_plan(config);
  const int64_t length = config.data.sequence_length;
  material.rows = std::make_unique<data::RowStream>(material.train, material.replay, length, options);
  if (material.validation) {
    options.shuffle = false;
    options.plan.clear();
    material.validation_rows = std::make_unique<data::RowStream>(material.validation, nullptr, length, options);
  }
  return material;
}

}  // namespace plumb::run
