// A Llama-style decoder (arXiv 2302.13971) as stages: embedding, block 0..L-1, head.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "trainer/model/functions.h"
#include "trainer/model/inference.h"
#include "trainer/model/spec.h"

namespace plumb::model {

struct Block {
  ParameterHandle attention_norm, mlp_norm;
  LinearWeights qkv, o, gate_up, down;
};

class Transformer {
 public:
  // Takes its handles from the table; the table outlives the model.
  Transformer(const ModelSpec& spec, const std::optional<LoraSpec>& lora, ParameterTable& table, at::Device device);

  // Stage 0 takes an empty carry; the last one returns the tensor "logprob", all others "hidden".
  Carry stage(int index, const Carry& in, const TokenBatch& batch, const StageContext& context) const;

  int stages() const { return static_cast<int>(spec_.stages()); }
  // Owners of parameters that a stage uses besides its own (tied embeddings: the head uses stage 0).
  std::vector<int> borrows(int index) const;

  const ModelSpec& spec() const { return spec_; }
  const Vocabulary& embedding_rows() const { return embedding_; }
  const ParameterHandle& final_norm() const { return final_norm_; }
  const Vocabulary& head_rows() const { return head_; }
  const Block& block(int64_t index) const { return blocks_[static_cast<size_t>(index)]; }
  ops::AttentionShape attention_shape() const;
  // Grown when a longer text comes; positions 0 .. at least `positions` - 1.
  ops::RopeTable rope(int64_t positions) const;
  at::Device device() const { return device_; }

  // The parts of a block, used by training and by generation alike.
  Carry run_block(int64_t index, const Carry& in, const TokenBatch& batch, const StageContext& context) const;

 private:
  DropoutSite hidden_dropout(int64_t place) const;

  ModelSpec spec_;
  at::Device device_;
  Vocabulary embedding_, head_;
  ParameterHandle final_norm_;
  std::vector<Block> blocks_;
  mutable ops::RopeTable rope_;
};

// Generation over parameters that stay gathered as long as it is used. `vocabulary` as in StageContext.
std::unique_ptr<HeldModel> hold_model(const Transformer& model, std::optional<int64_t> vocabulary = std::nullopt);

}  // namespace plumb::model
