// The fused layers a stage is written in. Each is one node on the tape with its own backward, made of trainer/ops.
// Parameters come as handles; weight gradients go to the sink of the context.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "trainer/model/carry.h"
#include "trainer/model/parameter.h"
#include "trainer/model/vocabulary.h"
#include "trainer/ops/attention.h"
#include "trainer/ops/rope.h"

namespace plumb::model {

// How a stage is run this time.
struct StageContext {
  WgradSink* sink = nullptr;  // where weight gradients go; needed only while recording
  bool adapters = true;       // false: the base under a LoRA model
  bool training = false;      // dropout acts
  bool save_less = false;     // selective recomputation: cheap intermediate results are computed again in backward
  uint64_t seed = 0;          // of dropout
  std::optional<int64_t> vocabulary;     // only so many rows of it exist; without recording
  std::optional<at::Tensor> loss_scale;  // fp32 [T]: the head runs the fused cross-entropy with it
  at::Tensor anchor;  // given to the first trainable stage when it has no other input that needs a gradient
};

// Dropout of one place in the model: p = 0 when off. `site` keeps the streams of different places apart.
struct DropoutSite {
  double p = 0;
  uint64_t site = 0;
};

// LoRA (arXiv 2106.09685) on slices of one fused matrix that read the same input.
struct Adapters {
  ParameterHandle a;               // [slices * rank, in]
  std::vector<ParameterHandle> b;  // [out_j, rank] each
  std::vector<int64_t> begin;      // first output row of slice j in the fused matrix
  int64_t rank = 0;
  double scaling = 1;
  DropoutSite dropout;
};

struct LinearWeights {
  ParameterHandle weight;
  std::optional<Adapters> adapters;
};

at::Tensor embedding(const Vocabulary&, const DropoutSite& dropout, const TokenBatch&, const StageContext&);

// sum = x + delta (delta may be absent), y = linear(rms_norm(sum)).
struct NormLinearOut {
  at::Tensor sum, y;
};
NormLinearOut norm_linear(const at::Tensor& x, const at::Tensor& delta, const ParameterHandle& norm, double eps,
                          const LinearWeights&, const TokenBatch&, const StageContext&);

// Rotates q and k in place, then attends. qkv must come straight from norm_linear.
at::Tensor rope_attention(at::Tensor qkv, ops::AttentionShape, const ops::RopeTable&, const TokenBatch&,
                          const StageContext&);

// dropout(linear(x))
at::Tensor linear(const at::Tensor& x, const LinearWeights&, const DropoutSite&, const TokenBatch&,
                  const StageContext&);

// residual + dropout(linear(swiglu(gate_up)))
at::Tensor swiglu_linear(const at::Tensor& gate_up, const at::Tensor& residual, const LinearWeights&,
                         const DropoutSite&, const TokenBatch&, const StageContext&);

at::Tensor norm(const at::Tensor& x, const ParameterHandle& weight, double eps, const StageContext&);

// Log-probability of each label, fp32 [T].
at::Tensor token_logprob(const at::Tensor& x, const Vocabulary&, const TokenBatch&, const StageContext&);
// The same in one pass with its gradient, for the loss -sum scale x logprob and a vocabulary of one part. Backward must
// be seeded with -scale: the gradient is already there and the weight gradient is already in its slot.
at::Tensor fused_token_logprob(const at::Tensor& x, const ParameterHandle& weight, const at::Tensor& scale,
                               const TokenBatch&, const StageContext&);

}  // namespace plumb::model
