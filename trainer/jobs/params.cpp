// plumb params
#include <fmt/format.h>

#include <iostream>
#include <map>

#include "core/config/presets.h"
#include "core/error.h"
#include "core/log.h"
#include "trainer/commands/arguments.h"
#include "trainer/jobs/jobs.h"
#include "trainer/model/spec.h"

namespace plumb::commands {

namespace {

model::ModelSpec spec_of(const config::Preset& preset, int64_t vocab_size) {
  model::ModelSpec spec;
  spec.family = preset.family;
  spec.vocab_size = vocab_size;
  spec.hidden_size = preset.hidden_size;
  spec.intermediate_size = preset.intermediate_size;
  spec.num_hidden_layers = preset.num_hidden_layers;
  spec.num_attention_heads = preset.num_attention_heads;
  spec.num_key_value_heads = preset.num_key_value_heads;
  spec.head_dim = preset.head_dim;
  spec.max_position_embeddings = preset.max_position_embeddings;
  spec.rope_theta = preset.rope_theta;
  spec.rms_norm_eps = preset.rms_norm_eps;
  spec.tie_word_embeddings = preset.tie_word_embeddings;
  spec.validate(preset.name);
  return spec;
}

// "blocks.3.attention.q_proj.weight" counts for attention of the blocks.
std::string part_of(const std::string& name) {
  if (name.rfind("blocks.", 0) != 0) return name.substr(0, name.find('.'));
  if (name.find(".attention.") != std::string::npos) return "attention";
  return name.find(".mlp.") != std::string::npos ? "mlp" : "norms";
}

void print_list() {
  for (const auto& preset : config::presets()) {
    std::cout << fmt::format("{:<16} {:>14}  {}\n", preset.name,
                             core::with_commas(model::parameter_count(spec_of(preset, preset.vocab_size))),
                             preset.meaning);
  }
}

void print_preset(const config::Preset& preset, int64_t vocab_size) {
  const auto spec = spec_of(preset, vocab_size);
  std::cout << fmt::format("{}: {}\n", preset.name, preset.meaning);
  const auto line = [](const char* key, const std::string& value) {
    std::cout << fmt::format("  {:<24} {:>14}\n", key, value);
  };
  line("vocab_size", core::with_commas(spec.vocab_size));
  line("hidden_size", core::with_commas(spec.hidden_size));
  line("intermediate_size", core::with_commas(spec.intermediate_size));
  line("num_hidden_layers", core::with_commas(spec.num_hidden_layers));
  line("num_attention_heads", core::with_commas(spec.num_attention_heads));
  line("num_key_value_heads", core::with_commas(spec.num_key_value_heads));
  line("head_dim", core::with_commas(spec.head_dim));
  line("max_position_embeddings", core::with_commas(spec.max_position_embeddings));
  line("tie_word_embeddings", spec.tie_word_embeddings ? "true" : "false");
  std::cout << "parameters\n";
  std::map<std::string, int64_t> parts;
  for (const auto& parameter : model::parameters(spec)) parts[part_of(parameter.name)] += parameter.numel();
  for (const auto& [part, count] : parts) line(part.c_str(), core::with_commas(count));
  line("all", core::with_commas(model::parameter_count(spec)));
  const auto flops = model::flops_per_token(spec, spec.max_position_embeddings);
  std::cout << fmt::format("training, {} positions: {:.3g} FLOPs a token ({:.3g} with causal attention)\n",
                           core::with_commas(spec.max_position_embeddings), flops.full, flops.causal);
}

}  // namespace

int params(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb params [--preset NAME] [--vocab-size N]",
      "Shape and parameter counts of a preset; without --preset the list of all.",
      {{"preset", "NAME", "as in model.preset"}, {"vocab-size", "N", "of the tokenizer instead of the published one"}},
      0, 0);
  if (arguments.help) return 0;
  if (!arguments.has("preset")) {
    print_list();
    return 0;
  }
  const std::string name = arguments.get("preset", "");
  const auto* preset = config::find_preset(name);
  if (!preset) fail_input("--preset", "unknown preset \"" + name + "\"", "`plumb params` lists them");
  print_preset(*preset, arguments.integer("vocab-size", preset->vocab_size, 1));
  return 0;
}

}  // namespace plumb::commands
