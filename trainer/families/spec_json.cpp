#include "trainer/families/spec_json.h"

#include <algorithm>

#include "core/error.h"
#include "trainer/families/fields.h"

namespace plumb::families {
namespace {

using Json = nlohmann::ordered_json;
constexpr int64_t kMostSize = int64_t{1} << 30;

}  // namespace

Json to_json(const model::ModelSpec& spec) {
  Json json{{"family", spec.family},
            {"vocab_size", spec.vocab_size},
            {"hidden_size", spec.hidden_size},
            {"intermediate_size", spec.intermediate_size},
            {"num_hidden_layers", spec.num_hidden_layers},
            {"num_attention_heads", spec.num_attention_heads},
            {"num_key_value_heads", spec.num_key_value_heads},
            {"head_dim", spec.head_dim},
            {"max_position_embeddings", spec.max_position_embeddings},
            {"rope_theta", spec.rope_theta},
            {"rms_norm_eps", spec.rms_norm_eps},
            {"initializer_range", spec.initializer_range},
            {"tie_word_embeddings", spec.tie_word_embeddings},
            {"attention_dropout", spec.attention_dropout},
            {"hidden_dropout", spec.hidden_dropout},
            {"rope_scaling", nullptr}};
  if (const auto& scaling = spec.rope_scaling) {
    json["rope_scaling"] = {{"factor", scaling->factor},
                            {"low_freq_factor", scaling->low_freq_factor},
                            {"high_freq_factor", scaling->high_freq_factor},
                            {"original_max_position_embeddings", scaling->original_max_position_embeddings}};
  }
  return json;
}

Json to_json(const model::LoraSpec& lora) {
  return {{"rank", lora.rank}, {"alpha", lora.alpha}, {"dropout", lora.dropout}, {"targets", lora.targets}};
}

model::ModelSpec model_spec_from_json(const Json& json, const std::string& where) {
  const Fields fields(json, where);
  model::ModelSpec spec;
  spec.family = fields.text("family", "llama");
  spec.vocab_size = fields.integer("vocab_size", 1, kMostSize);
  spec.hidden_size = fields.integer("hidden_size", 1, kMostSize);
  spec.intermediate_size = fields.integer("intermediate_size", 1, kMostSize);
  spec.num_hidden_layers = fields.integer("num_hidden_layers", 1, 10'000);
  spec.num_attention_heads = fields.integer("num_attention_heads", 1, kMostSize);
  spec.num_key_value_heads = fields.integer("num_key_value_heads", 1, kMostSize);
  spec.head_dim = fields.integer("head_dim", 1, kMostSize);
  spec.max_position_embeddings = fields.integer("max_position_embeddings", 1, kMostSize);
  spec.rope_theta = fields.number("rope_theta", spec.rope_theta);
  spec.rms_norm_eps = fields.number("rms_norm_eps", spec.rms_norm_eps);
  spec.initializer_range = fields.number("initializer_range", spec.initializer_range);
  spec.tie_word_embeddings = fields.boolean("tie_word_embeddings", false);
  spec.attention_dropout = fields.number("attention_dropout", 0);
  spec.hidden_dropout = fields.number("hidden_dropout", 0);
  if (const Json* scaling = fields.find("rope_scaling")) {
    const Fields rope(*scaling, where + ": rope_scaling");
    spec.rope_scaling = model::RopeScaling{rope.number("factor", 8), rope.number("low_freq_factor", 1),
                                           rope.number("high_freq_factor", 4),
                                           rope.integer("original_max_position_embeddings", 1, kMostSize)};
  }
  spec.validate(where);
  return spec;
}

model::LoraSpec lora_spec_from_json(const Json& json, const std::string& where) {
  const Fields fields(json, where);
  model::LoraSpec lora;
  lora.rank = fields.integer("rank", 1, kMostSize);
  lora.alpha = fields.number("alpha", lora.alpha);
  lora.dropout = fields.number("dropout", 0);
  lora.targets = fields.texts("targets");
  if (lora.targets.empty()) fields.wrong("targets", "at least one projection");
  static const std::vector<std::string> known{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                              "gate_proj", "up_proj", "down_proj"};
  for (const auto& target : lora.targets) {
    if (std::find(known.begin(), known.end(), target) == known.end()) fields.wrong("targets", "names of projections");
  }
  return lora;
}

}  // namespace plumb::families
