#include "trainer/engine/objective.h"

#include <ATen/ATen.h>

namespace plumb::engine {

namespace {

class CrossEntropy : public Objective {
 public:
  std::string name() const override { return "cross_entropy"; }
  Normaliser normaliser() const override { return Normaliser::trained_tokens; }
  bool linear_in_logprob() const override { return true; }

  double count(const data::Batch& batch) const override {
    double sum = 0;
    for (size_t t = 0; t < batch.loss_weight.size(); ++t) {
      if (batch.labels[t] != data::kNoLabel) sum += static_cast<double>(batch.loss_weight[t]);
    }
    return sum;
  }

  at::Tensor grad_logprob(const at::Tensor& logprob, const DeviceBatch& batch, double total,
                          double& loss) const override {
    loss -= batch.loss_weight.to(at::kDouble).dot(logprob.to(at::kDouble)).item<double>() / total;
    return batch.loss_weight.mul(-1.0 / total);
  }
};

}  // namespace

std::unique_ptr<Objective> cross_entropy() { return std::make_unique<CrossEntropy>(); }

}  // namespace plumb::engine
