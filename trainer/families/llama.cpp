// Llama 1 to 3.x, and the derivatives that kept its model_type (transformers configuration_llama.py).
#include <fmt/format.h>

#include <limits>

#include "core/error.h"
#include "trainer/families/family.h"
#include "trainer/families/fields.h"

namespace plumb::families {
namespace {

using Json = nlohmann::ordered_json;
constexpr int64_t kMostSize = int64_t{1} << 30;  // of one dimension; products are checked by ModelSpec::validate
constexpr int64_t kMostLayers = 10'000;

void refuse(const Fields& fields, const char* key, const std::string& supported) {
  fields.wrong(key, supported, "this variant of Llama is not supported");
}

void refuse_variants(const Fields& fields) {
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    if (fields.boolean(key, false)) refuse(fields, key, "false");
  }
  if (fields.text("hidden_act", "silu") != "silu") refuse(fields, "hidden_act", "\"silu\"");
  if (fields.has("sliding_window") && fields.boolean("use_sliding_window", true)) {
    refuse(fields, "sliding_window", "null");
  }
  if (fields.has("quantization_config")) {
    fields.wrong("quantization_config", "none",
                 "quantised bases are not read; use the unquantised folder of this model");
  }
  for (const auto& type : fields.texts("layer_types")) {
    if (type != "full_attention") refuse(fields, "layer_types", "only \"full_attention\"");
  }
  if (fields.number("partial_rotary_factor", 1.0) != 1.0) refuse(fields, "partial_rotary_factor", "1");
  const auto architectures = fields.texts("architectures");
  if (!architectures.empty() && architectures != std::vector<std::string>{"LlamaForCausalLM"}) {
    refuse(fields, "architectures", "[\"LlamaForCausalLM\"]");
  }
}

// transformers 5 writes rope_parameters; before, rope_theta stood beside rope_scaling, whose type was "type" first.
void read_scaling(const Fields& rope, model::ModelSpec& spec) {
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "default") return;
  if (type != "llama3") {
    fail_input(rope.where(), fmt::format("rope_type: expected \"default\" or \"llama3\", found \"{}\"", type),
               "other RoPE scalings are not supported");
  }
  for (const char* key : {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    if (!rope.has(key)) rope.wrong(key, "a number");
  }
  model::RopeScaling scaling;
  scaling.factor = rope.number("factor", 0);
  scaling.low_freq_factor = rope.number("low_freq_factor", 0);
  scaling.high_freq_factor = rope.number("high_freq_factor", 0);
  scaling.original_max_position_embeddings = rope.integer("original_max_position_embeddings", 1, kMostSize);
  if (!(scaling.factor >= 1) || !(scaling.low_freq_factor > 0) ||
      !(scaling.high_freq_factor > scaling.low_freq_factor)) {
    fail_input(rope.where(),
               fmt::format("expected factor >= 1 and 0 < low_freq_factor < high_freq_factor, found {}, {}, {}",
                           scaling.factor, scaling.low_freq_factor, scaling.high_freq_factor));
  }
  spec.rope_scaling = scaling;
}

void read_rope(const Fields& fields, model::ModelSpec& spec) {
  spec.rope_theta = fields.number("rope_theta", 10000.0);
  model::ModelSpec old = spec;
  if (const Json* scaling = fields.find("rope_scaling")) {
    read_scaling(Fields(*scaling, fields.where() + ": rope_scaling"), old);
  }
  spec.rope_scaling = old.rope_scaling;
  if (const Json* parameters = fields.find("rope_parameters")) {
    const Fields rope(*parameters, fields.where() + ": rope_parameters");
    if (rope.number("partial_rotary_factor", 1.0) != 1.0) refuse(rope, "partial_rotary_factor", "1");
    spec.rope_scaling.reset();
    read_scaling(rope, spec);
    spec.rope_theta = rope.number("rope_theta", spec.rope_theta);
    const bool differs = (fields.has("rope_theta") && spec.rope_theta != old.rope_theta) ||
                         (fields.has("rope_scaling") && spec.rope_scaling != old.rope_scaling);
    if (differs) {
      fail_input(fields.where(), "rope_parameters says something else than rope_theta and rope_scaling",
                 "both spellings are read; remove the wrong one");
    }
  }
  if (!(spec.rope_theta > 1))
    fail_input(fields.where(), fmt::format("rope_theta: expected > 1, found {}", spec.rope_theta));
}

model::ModelSpec read_config(const Json& config, const std::string& where) {
  const Fields fields(config, where);
  refuse_variants(fields);
  model::ModelSpec spec;
  spec.family = "llama";
  spec.vocab_size = fields.integer("vocab_size", 1, kMostSize);
  spec.hidden_size = fields.integer("hidden_size", 1, kMostSize);
  spec.intermediate_size = fields.integer("intermediate_size", 1, kMostSize);
  spec.num_hidden_layers = fields.integer("num_hidden_layers", 1, kMostLayers);
  spec.num_attention_heads = fields.integer("num_attention_heads", 1, kMostSize);
  spec.num_key_value_heads = fields.integer("num_key_value_heads", spec.num_attention_heads, 1, kMostSize);
  spec.head_dim = fields.integer("head_dim", spec.hidden_size / spec.num_attention_heads, 1, kMostSize);
  spec.max_position_embeddings = fields.integer("max_position_embeddings", 2048, 1, kMostSize);
  spec.rms_norm_eps = fields.number("rms_norm_eps", 1e-6);
  spec.initializer_range = fields.number("initializer_range", 0.02);
  spec.attention_dropout = fields.number("attention_dropout", 0.0);
  spec.tie_word_embeddings = fields.boolean("tie_word_embeddings", false);
  read_rope(fields, spec);
  spec.validate(where);
  return spec;
}

Json scaling_json(const model::RopeScaling& scaling) {
  return {{"rope_type", "llama3"},
          {"factor", scaling.factor},
          {"low_freq_factor", scaling.low_freq_factor},
          {"high_freq_factor", scaling.high_freq_factor},
          {"original_max_position_embeddings", scaling.original_max_position_embeddings}};
}

Json write_config(const model::ModelSpec& spec) {
  Json rope = spec.rope_scaling ? scaling_json(*spec.rope_scaling) : Json{{"rope_type", "default"}};
  rope["rope_theta"] = spec.rope_theta;
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", spec.vocab_size},
          {"hidden_size", spec.hidden_size},
          {"intermediate_size", spec.intermediate_size},
          {"num_hidden_layers", spec.num_hidden_layers},
          {"num_attention_heads", spec.num_attention_heads},
          {"num_key_value_heads", spec.num_key_value_heads},
          {"head_dim", spec.head_dim},
          {"max_position_embeddings", spec.max_position_embeddings},
          {"hidden_act", "silu"},
          {"rms_norm_eps", spec.rms_norm_eps},
          {"initializer_range", spec.initializer_range},
          {"attention_bias", false},
          {"attention_dropout", spec.attention_dropout},
          {"mlp_bias", false},
          {"rope_theta", spec.rope_theta},
          {"rope_scaling", spec.rope_scaling ? scaling_json(*spec.rope_scaling) : Json(nullptr)},
          {"rope_parameters", rope},
          {"tie_word_embeddings", spec.tie_word_embeddings},
          {"use_cache", true}};
}

std::string hugging_face_name(const std::string& canonical) {
  if (canonical == "embedding.weight") return "model.embed_tokens.weight";
  if (canonical == "final_norm.weight") return "model.norm.weight";
  if (canonical == "head.weight") return "lm_head.weight";
  const size_t dot = canonical.find('.', 7);
  if (canonical.rfind("blocks.", 0) != 0 || dot == std::string::npos) fail_internal("llama: no name for " + canonical);
  const std::string layer = "model.layers." + canonical.substr(7, dot - 7) + ".";
  const std::string rest = canonical.substr(dot + 1);
  if (rest == "attention_norm.weight") return layer + "input_layernorm.weight";
  if (rest == "mlp_norm.weight") return layer + "post_attention_layernorm.weight";
  if (rest.rfind("attention.", 0) == 0) return layer + "self_attn." + rest.substr(10);
  if (rest.rfind("mlp.", 0) == 0) return layer + rest;
  fail_internal("llama: no name for " + canonical);
}

bool ignored(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

}  // namespace

Family llama() { return {"llama", "LlamaForCausalLM", read_config, write_config, hugging_face_name, ignored}; }

}  // namespace plumb::families
