// Shapes of published models: never hyper-parameters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/config.h"

namespace plumb::config {

struct Preset {
  std::string name, family, meaning;
  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
      max_position_embeddings;
  int64_t vocab_size;  // as published; a run takes its tokenizer's
  double rope_theta, rms_norm_eps;
  bool tie_word_embeddings;

  int64_t parameters(int64_t vocabulary) const;
};

const std::vector<Preset>& presets();
const Preset* find_preset(const std::string& name);
// Fills what `model` leaves open, and returns the addresses that it filled.
std::vector<std::string> apply_preset(const Preset&, ModelSection& model);

}  // namespace plumb::config
