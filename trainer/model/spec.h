// ModelSpec: the shape of a transformer, named as in Hugging Face config.json. No weights, no ATen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plumb::model {

// rope_type "llama3" (transformers modeling_rope_utils.py); absent = default RoPE.
struct RopeScaling {
  double factor = 8.0, low_freq_factor = 1.0, high_freq_factor = 4.0;
  int64_t original_max_position_embeddings = 8192;
  bool operator==(const RopeScaling&) const = default;
};

struct ModelSpec {
  std::string family = "llama";
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0, max_position_embeddings = 2048;
  double rope_theta = 10000.0, rms_norm_eps = 1e-5, initializer_range = 0.02;
  std::optional<RopeScaling> rope_scaling;
  bool tie_word_embeddings = false;
  double attention_dropout = 0.0, hidden_dropout = 0.0;
  bool operator==(const ModelSpec&) const = default;

  int64_t stages() const { return num_hidden_layers + 2; }  // embedding, block 0..L-1, head
  // Throws Error(bad_input) naming the key: heads not divisible, zero sizes, odd head_dim, ...
  void validate(const std::string& where) const;
};

// LoRA on the named projections (canonical short names q_proj k_proj v_proj o_proj gate_proj up_proj down_proj).
struct LoraSpec {
  int64_t rank = 16;
  double alpha = 32.0, dropout = 0.0;
  std::vector<std::string> targets;  // resolved: never "all_linear"
  double scaling() const { return alpha / static_cast<double>(rank); }
  bool operator==(const LoraSpec&) const = default;
};

// One matrix or vector of the model under its canonical, unfused name:
//   embedding.weight [V,H]                      blocks.I.attention_norm.weight [H]   blocks.I.mlp_norm.weight [H]
//   blocks.I.attention.{q_proj,k_proj,v_proj,o_proj}.weight [out,in]
//   blocks.I.mlp.{gate_proj,up_proj,down_proj}.weight [out,in]
//   final_norm.weight [H]   head.weight [V,H] (absent when tied)
//   <linear>.lora_a [r,in], <linear>.lora_b [out,r], e.g. blocks.0.attention.q_proj.lora_a
//   embedding.new_rows.weight, head.new_rows.weight [V-n,H] behind embedding.weight, head.weight [n,H], where only the
//   rows from n on are trained
struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  int64_t stage = 0;  // owner stage: 0 embedding, 1..L blocks, L+1 head
  bool trainable = true;
  bool decay = true;  // weight decay applies (matrices yes; norms and vectors no)
  enum class Init { normal, normal_scaled_residual, ones, zeros, kaiming_uniform } init = Init::normal;
  int64_t numel() const;
};

// All parameters in layout order: q,k,v (and gate,up) adjacent, so that a fused GEMM is a contiguous view.
// With lora: base parameters are not trainable, adapters follow as trainable ones. With new_rows: the rows of the
// vocabulary from there on are parameters of their own and trained, base parameters are not.
std::vector<ParameterInfo> parameters(const ModelSpec&, const std::optional<LoraSpec>& = std::nullopt,
                                      std::optional<int64_t> new_rows = std::nullopt);
bool is_adapter(const std::string& name);  // lora_a, lora_b
int64_t parameter_count(const ModelSpec&);

// Matmul FLOPs of forward+backward per token, attention with full and with causal half (docs: 6(N-Vh) + 12LHs | 6LHs).
struct FlopsPerToken {
  double full = 0, causal = 0;
};
FlopsPerToken flops_per_token(const ModelSpec&, int64_t sequence_length);

}  // namespace plumb::model
