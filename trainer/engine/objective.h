// What is minimised: sum of weight x term / normaliser, the normaliser counted over the global batch before the first
// backward. Implementations beyond cross-entropy live in tune/.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "trainer/model/carry.h"

namespace plumb::engine {

enum class Normaliser { trained_tokens, samples, pairs, groups };

// A batch on the device: the arrays of data::Batch as tensors (ids, labels, positions, doc_offsets, row_keys and the
// loss weight). On a CPU they are views of `host`, which outlives them.
struct DeviceBatch : model::TokenBatch {
  const data::Batch* host = nullptr;
  at::Tensor loss_weight;  // fp32 [T]
};

// Checks the arrays against each other and against the vocabulary: Error(bad_input) names what is wrong.
// `dropout_seed`: row_keys are made when given, from (seed, step, row, place in the row).
DeviceBatch to_device(const data::Batch& batch, int64_t vocab_size, at::Device device,
                      std::optional<uint64_t> dropout_seed = std::nullopt, int64_t step = 0);

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
