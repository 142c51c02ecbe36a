#include "trainer/model/transformer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace plumb::model {

namespace {

// One fused matrix from its canonical parts, with the adapters on some of them.
LinearWeights fused_linear(ParameterTable& table, const std::string& prefix, const std::vector<std::string>& parts,
                           const std::optional<LoraSpec>& lora, uint64_t site) {
  LinearWeights weights;
  std::vector<std::string> names, a_names;
  Adapters adapters;
  int64_t row = 0;
  for (const std::string& part : parts) {
    names.push_back(prefix + part + ".weight");
    const std::string a = prefix + part + ".lora_a", b = prefix + part + ".lora_b";
    if (lora && table.has(a)) {
      a_names.push_back(a);
      adapters.b.push_back(table.fused({b}));
      adapters.begin.push_back(row);
    }
    row += table.info(names.back()).shape[0];
  }
  weights.weight = table.fused(names);
  if (a_names.empty()) return weights;
  adapters.a = table.fused(a_names);
  adapters.rank = lora->rank;
  adapters.scaling = lora->scaling();
  adapters.dropout = {lora->dropout, site};
  weights.adapters = std::move(adapters);
  return weights;
}

Vocabulary vocabulary_of(ParameterTable& table, const std::string& name) {
  const std::string added = name + ".new_rows.weight";
  return {table.fused({name + ".weight"}), table.has(added) ? table.fused({added}) : ParameterHandle()};
}

}  // namespace

Transformer::Transformer(const ModelSpec& spec, const std::optional<LoraSpec>& lora, ParameterTable& table,
                         at::Device device)
    : spec_(spec), device_(device) {
  spec_.validate("model");
  embedding_ = vocabulary_of(table, "embedding");
  for (int64_t i = 0; i < spec_.num_hidden_layers; ++i) {
    const std::string prefix = "blocks." + std::to_string(i) + ".";
    const uint64_t site = 16 * static_cast<uint64_t>(i + 1);
    Block block;
    block.attention_norm = table.fused({prefix + "attention_norm.weight"});
    block.qkv = fused_linear(table, prefix + "attention.", {"q_proj", "k_proj", "v_proj"}, lora, site + 2);
    block.o = fused_linear(table, prefix + "attention.", {"o_proj"}, lora, site + 3);
    block.mlp_norm = table.fused({prefix + "mlp_norm.weight"});
    block.gate_up = fused_linear(table, prefix + "mlp.", {"gate_proj", "up_proj"}, lora, site + 4);
    block.down = fused_linear(table, prefix + "mlp.", {"down_proj"}, lora, site + 5);
    blocks_.push_back(std::move(block));
  }
  final_norm_ = table.fused({"final_norm.weight"});
  head_ = spec_.tie_word_embeddings ? embedding_ : vocabulary_of(table, "head");
}

std::vector<int> Transformer::borrows(int index) const {
  if (spec_.tie_word_embeddings && index == stages() - 1) return {0};
  return {};
}

ops::AttentionShape Transformer::attention_shape() const {
  return {spec_.num_attention_heads, spec_.num_key_value_heads, spec_.head_dim,
          1.0 / std::sqrt(static_cast<double>(spec_.head_dim))};
}

ops::RopeTable Transformer::rope(int64_t positions) const {
  if (rope_.cos.defined() && rope_.cos.size(0) >= positions) return rope_;
  std::optional<ops::Llama3Scaling> scaling;
  if (spec_.rope_scaling) {
    const RopeScaling& r = *spec_.rope_scaling;
    scaling = ops::Llama3Scaling{r.factor, r.low_freq_factor, r.high_freq_factor,
                                 static_cast<double>(r.original_max_position_embeddings)};
  }
  int64_t rows = 256;
  while (rows < positions) rows *= 2;
  rope_ = ops::rope_table(ops::rope_inverse_frequencies(spec_.head_dim, spec_.rope_theta, scaling), rows, device_);
  return rope_;
}

DropoutSite Transformer::hidden_dropout(int64_t place) const {
  return {spec_.hidden_dropout, static_cast<uint64_t>(place)};
}

Carry Transformer::run_block(int64_t index, const Carry& in, const TokenBatch& batch,
                             const StageContext& context) const {
  const Block& block = blocks_[static_cast<size_t>(index)];
  const at::Tensor& x = in.at("hidden");
  const int64_t place = 16 * (index + 1);
  const auto [h, qkv] =
      norm_linear(x, at::Tensor(), block.attention_norm, spec_.rms_norm_eps, block.qkv, batch, context);
  const at::Tensor attended = rope_attention(qkv, attention_shape(), rope_, batch, context);
  const at::Tensor o = linear(attended, block.o, hidden_dropout(place), batch, context);
  const auto [h2, gate_up] = norm_linear(h, o, block.mlp_norm, spec_.rms_norm_eps, block.gate_up, batch, context);
  return {{{"hidden", swiglu_linear(gate_up, h2, block.down, hidden_dropout(place + 1), batch, context)}}, {}};
}

Carry Transformer::stage(int index, const Carry& in, const TokenBatch& batch, const StageContext& context) const {
  if (index == 0) return {{{"hidden", embedding(embedding_, hidden_dropout(1), batch, context)}}, {}};
  if (index <= spec_.num_hidden_layers) return run_block(index - 1, in, batch, context);
  if (index != stages() - 1) fail_internal("the model has no stage " + std::to_string(index));
  const at::Tensor y = norm(in.at("hidden"), final_norm_, spec_.rms_norm_eps, context);
  const at::Tensor logprob = context.loss_scale && !head_.new_rows
                                 ? fused_token_logprob(y, head_.rows, *context.loss_scale, batch, context)
                                 : token_logprob(y, head_, batch, context);
  return {{{"logprob", logprob}}, {}};
}

}  // namespace plumb::model
