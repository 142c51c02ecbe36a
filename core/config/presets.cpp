#include "core/config/presets.h"

namespace plumb::config {

int64_t Preset::parameters(int64_t vocabulary) const {
  const int64_t queries = num_attention_heads * head_dim, keys = num_key_value_heads * head_dim;
  const int64_t attention = hidden_size * (2 * queries + 2 * keys), mlp = 3 * hidden_size * intermediate_size;
  const int64_t embeddings = (tie_word_embeddings ? 1 : 2) * vocabulary * hidden_size;
  return num_hidden_layers * (attention + mlp + 2 * hidden_size) + embeddings + hidden_size;
}

// Positions of Llama 3.1 and 3.2 are those before their rope scaling, which a model trained from scratch has not got.
const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = {
      {"llama-1b", "llama", "Llama 3.2 1B's blocks for a vocabulary of 32K", 2048, 8192, 16, 32, 8, 64, 8192, 32768,
       500000, 1e-5, true},
      {"llama-3.2-1b", "llama", "meta-llama/Llama-3.2-1B", 2048, 8192, 16, 32, 8, 64, 8192, 128256, 500000, 1e-5, true},
      {"llama-3.2-3b", "llama", "meta-llama/Llama-3.2-3B", 3072, 8192, 28, 24, 8, 128, 8192, 128256, 500000, 1e-5,
       true},
      {"llama-3.1-8b", "llama", "meta-llama/Llama-3.1-8B", 4096, 14336, 32, 32, 8, 128, 8192, 128256, 500000, 1e-5,
       false},
      {"llama-3.1-70b", "llama", "meta-llama/Llama-3.1-70B", 8192, 28672, 80, 64, 8, 128, 8192, 128256, 500000, 1e-5,
       false},
      {"llama-2-7b", "llama", "meta-llama/Llama-2-7b-hf", 4096, 11008, 32, 32, 32, 128, 4096, 32000, 10000, 1e-5,
       false},
      {"llama-2-13b", "llama", "meta-llama/Llama-2-13b-hf", 5120, 13824, 40, 40, 40, 128, 4096, 32000, 10000, 1e-5,
       false},
      {"tinyllama-1.1b", "llama", "TinyLlama/TinyLlama_v1.1", 2048, 5632, 22, 32, 4, 64, 2048, 32000, 10000, 1e-5,
       false},
      {"smollm-135m", "llama", "HuggingFaceTB/SmolLM-135M", 576, 1536, 30, 9, 3, 64, 2048, 49152, 10000, 1e-5, true},
      {"smollm-360m", "llama", "HuggingFaceTB/SmolLM-360M", 960, 2560, 32, 15, 5, 64, 2048, 49152, 10000, 1e-5, true},
  };
  return table;
}

const Preset* find_preset(const std::string& name) {
  for (const auto& preset : presets())
    if (preset.name == name) return &preset;
  return nullptr;
}

std::vector<std::string> apply_preset(const Preset& preset, ModelSection& model) {
  std::vector<std::string> filled;
  const auto fill = [&](auto& field, const auto& value, const char* name) {
    if (field) return;
    field = value;
    filled.push_back(std::string("model.") + name);
  };
  fill(model.hidden_size, preset.hidden_size, "hidden_size");
  fill(model.intermediate_size, preset.intermediate_size, "intermediate_size");
  fill(model.num_hidden_layers, preset.num_hidden_layers, "num_hidden_layers");
  // Another number of heads keeps the preset's grouping and width only if they are given too.
  const bool same_heads = !model.num_attention_heads || *model.num_attention_heads == preset.num_attention_heads;
  const bool same_width = !model.hidden_size || *model.hidden_size == preset.hidden_size;
  fill(model.num_attention_heads, preset.num_attention_heads, "num_attention_heads");
  if (same_heads) fill(model.num_key_value_heads, preset.num_key_value_heads, "num_key_value_heads");
  if (same_heads && same_width) fill(model.head_dim, preset.head_dim, "head_dim");
  fill(model.max_position_embeddings, preset.max_position_embeddings, "max_position_embeddings");
  fill(model.rope_theta, preset.rope_theta, "rope_theta");
  fill(model.rms_norm_eps, preset.rms_norm_eps, "rms_norm_eps");
  fill(model.tie_word_embeddings, preset.tie_word_embeddings, "tie_word_embeddings");
  return filled;
}

}  // namespace plumb::config
