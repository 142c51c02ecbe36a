// The same model written once more in plain ATen, in fp64, differentiated by LibTorch's autograd.
#pragma once

#include "support.h"

namespace plumb::engine::testing {

class Reference {
 public:
  using Values = std::map<std::string, at::Tensor>;
  Reference(const EngineOptions& options, Engine& engine) : options_(options) {
    for (const auto& info : parameters(options)) {
      at::Tensor value = engine.parameter(info.name).to(at::kDouble);
      value.set_requires_grad(info.trainable);
      values_[info.name] = value;
    }
  }
  const Values& values() const { return values_; }

  // fp64 [T]; on autograd's tape.
  at::Tensor logprob(const data::Batch& batch) const {
    const auto& s = options_.spec;
    const at::Tensor ids = at::tensor(batch.ids, at::TensorOptions(at::kLong));
    at::Tensor x = vocabulary("embedding").index_select(0, ids);
    for (int64_t i = 0; i < s.num_hidden_layers; ++i) {
      const std::string p = "blocks." + std::to_string(i) + ".";
      const at::Tensor h = norm(x, p + "attention_norm.weight");
      x = x + linear(attention(h, p, batch), p + "attention.o_proj");
      const at::Tensor n = norm(x, p + "mlp_norm.weight");
      const at::Tensor gate = linear(n, p + "mlp.gate_proj"), up = linear(n, p + "mlp.up_proj");
      x = x + linear(gate * at::sigmoid(gate) * up, p + "mlp.down_proj");
    }
    const at::Tensor head = vocabulary(s.tie_word_embeddings ? "embedding" : "head");
    const at::Tensor all = at::log_softmax(at::matmul(norm(x, "final_norm.weight"), head.t()), -1);
    const at::Tensor labels = at::tensor(batch.labels, at::TensorOptions(at::kLong));
    const at::Tensor picked = all.gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);
    return at::where(labels >= 0, picked, at::zeros_like(picked));
  }

  // Loss of a global batch; gradients are then in values().grad().
  double backward(const std::vector<data::Batch>& batches) {
    double total = 0;
    for (const data::Batch& batch : batches) total += cross_entropy()->count(batch);
    at::Tensor loss = at::zeros({}, at::TensorOptions(at::kDouble));
    for (const data::Batch& batch : batches) {
      const at::Tensor weight = at::tensor(batch.loss_weight, at::TensorOptions(at::kDouble));
      loss = loss - (weight * logprob(batch)).sum() / total;
    }
    loss.backward();
    return loss.item<double>();
  }

 private:
  const at::Tensor& value(const std::string& name) const { return values_.at(name); }

  at::Tensor vocabulary(const std::string& name) const {
    if (!options_.new_rows) return value(name + ".weight");
    return at::cat({value(name + ".weight"), value(name + ".new_rows.weight")});
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return x * at::rsqrt(x.square().mean(-1, true) + options_.spec.rms_norm_eps) * value(name);
  }

  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    at::Tensor y = at::matmul(x, value(name + ".weight").t());
    const auto a = values_.find(name + ".lora_a");
    if (a == values_.end()) return y;
    return y + options_.lora->scaling() * at::matmul(at::matmul(x, a->second.t()), value(name + ".lora_b").t());
  }

  // Complex form of the rotation, another way than the halves of the op.
  at::Tensor rotate(const at::Tensor& x, const data::Batch& batch) const {
    const int64_t half = options_.spec.head_dim / 2;
    const at::Tensor i = at::arange(half, at::TensorOptions(at::kDouble));
    const at::Tensor inv = at::pow(options_.spec.rope_theta, i.mul(-2.0 / static_cast<double>(2 * half)));
    const at::Tensor angle = at::outer(at::tensor(batch.positions, at::TensorOptions(at::kDouble)), inv).unsqueeze(1);
    const at::Tensor first = x.narrow(2, 0, half), second = x.narrow(2, half, half);
    return at::cat({first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()}, 2);
  }

  at::Tensor attention(const at::Tensor& h, const std::string& p, const data::Batch& batch) const {
    const auto& s = options_.spec;
    const int64_t tokens = batch.tokens();
    const at::Tensor q = rotate(linear(h, p + "attention.q_proj").view({tokens, -1, s.head_dim}), batch);
    const at::Tensor k = rotate(linear(h, p + "attention.k_proj").view({tokens, -1, s.head_dim}), batch);
    const at::Tensor v = linear(h, p + "attention.v_proj").view({tokens, -1, s.head_dim});
    at::Tensor document = at::zeros({tokens}, at::TensorOptions(at::kLong));
    for (size_t d = 1; d + 1 < batch.doc_offsets.size(); ++d) {
      document.narrow(0, batch.doc_offsets[d], tokens - batch.doc_offsets[d]).add_(1);
    }
    const at::Tensor same = document.unsqueeze(0).eq(document.unsqueeze(1)).tril();
    std::vector<at::Tensor> heads;
    const int64_t group = s.num_attention_heads / s.num_key_value_heads;
    for (int64_t n = 0; n < s.num_attention_heads; ++n) {
      const at::Tensor scores =
          at::matmul(q.select(1, n), k.select(1, n / group).t()) / std::sqrt(static_cast<double>(s.head_dim));
      heads.push_back(
          at::matmul(at::softmax(scores.masked_fill(same.logical_not(), -1e30), -1), v.select(1, n / group)));
    }
    return at::cat(heads, 1);
  }

  EngineOptions options_;
  Values values_;
};

}  // namespace plumb::engine::testing
