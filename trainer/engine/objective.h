// What is minimised: sum of weight x term / normaliser, the normaliser counted over the global batch before the first
// backward. Implementations beyond cross-entropy live in tune/.
#pragma once
#include "data/batch.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

namespace plumb::engine {

enum class Normaliser { trained_tokens, samples, pairs, groups };

// A batch on the device: the arrays of data::Batch as tensors (doc_offsets stays on the CPU).
struct DeviceBatch {
  const data::Batch* host = nullptr;
  at::Tensor ids, labels, positions;  // int32 [T]
  at::Tensor loss_weight;             // fp32 [T]
  at::Tensor doc_offsets;             // int32 [D+1], CPU
  at::Tensor row_keys;                // int64 [T] random-number keys per position (seed, step, row, position)
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string name() const = 0;
  virtual Normaliser normaliser() const = 0;
  // Amount this batch contributes to the normaliser (trained tokens: the sum of loss weights).
  virtual double count(const data::Batch&) const = 0;
  // True when the gradient of the loss by each token's log-probability is -weight/normaliser: the fused head applies.
  virtual bool linear_in_logprob() const = 0;
  // fp32 [T] gradient of the loss by logprob [T]; `total` is the global normaliser. Adds to `loss` (fp64, host sum).
  virtual at::Tensor grad_logprob(const at::Tensor& logprob, const DeviceBatch&, double total, double& loss) const = 0;
};

std::unique_ptr<Objective> cross_entropy();

}  // namespace plumb::engine
