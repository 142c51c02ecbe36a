#include "trainer/model/functions.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "trainer/model/tape.h"
#include "trainer/ops/dropout.h"
#include "trainer/ops/linear.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/swiglu.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::model {

namespace {

using at::Tensor;

bool is_active(const DropoutSite& site, const StageContext& context) { return site.p > 0 && context.training; }

Tensor drop(const Tensor& x, const DropoutSite& site, const TokenBatch& batch, const StageContext& context) {
  if (!is_active(site, context)) return x;
  return ops::dropout(x, batch.row_keys, context.seed ^ (site.site * 0x9E3779B97F4A7C15ull), site.p);
}

// A linear layer with its adapters inside a larger node: forward, what it saves, backward.
class LinearPart {
 public:
  LinearPart(const LinearWeights& weights, const TokenBatch& batch, const StageContext& context)
      : weights_(weights), batch_(batch), context_(context) {}

  bool has_adapters() const { return weights_.adapters && context_.adapters; }
  bool needs_input() const { return weights_.weight.trainable() || has_adapters(); }

  Tensor forward(const Tensor& x) {
    Tensor y = ops::linear(x, weights_.weight.value());
    if (!has_adapters()) return y;
    const Adapters& adapters = *weights_.adapters;
    low_ = ops::linear(drop(x, adapters.dropout, batch_, context_), adapters.a.value());
    for (size_t j = 0; j < adapters.b.size(); ++j) {
      const Tensor& b = adapters.b[j].value();
      y.narrow(1, adapters.begin[j], b.size(0)).addmm_(low_slice(j), b.t(), 1, adapters.scaling);
    }
    return y;
  }

  // Sends the weight gradients off and returns dx (undefined when nobody wants it).
  Tensor backward(const Tensor& dy, const Tensor& x, bool wants_dx) const {
    Tensor dx;
    if (wants_dx) dx = ops::linear_grad_input(dy, weights_.weight.value());
    if (weights_.weight.trainable()) context_.sink->add_linear(weights_.weight, dy, x);
    if (!has_adapters()) return dx;
    const Adapters& adapters = *weights_.adapters;
    Tensor dlow = at::empty_like(low_);
    for (size_t j = 0; j < adapters.b.size(); ++j) {
      const Tensor& b = adapters.b[j].value();
      const Tensor slice = dy.narrow(1, adapters.begin[j], b.size(0)).mul(adapters.scaling);
      dlow.narrow(1, static_cast<int64_t>(j) * adapters.rank, adapters.rank).copy_(ops::linear_grad_input(slice, b));
      context_.sink->add_linear(adapters.b[j], slice, low_slice(j).contiguous());
    }
    context_.sink->add_linear(adapters.a, dlow, drop(x, adapters.dropout, batch_, context_));
    if (wants_dx) dx.add_(drop(ops::linear_grad_input(dlow, adapters.a.value()), adapters.dropout, batch_, context_));
    return dx;
  }

 private:
  Tensor low_slice(size_t j) const {
    return low_.narrow(1, static_cast<int64_t>(j) * weights_.adapters->rank, weights_.adapters->rank);
  }

  // Copies: the node outlives the call. The handles inside resolve when they are used.
  LinearWeights weights_;
  TokenBatch batch_;
  StageContext context_;
  Tensor low_;  // x A^T
};

}  // namespace

Tensor embedding(const Vocabulary& vocabulary, const DropoutSite& dropout, const TokenBatch& batch,
                 const StageContext& context) {
  Tensor y;
  {
    const LayerScope scope;
    y = drop(rows_of(vocabulary, batch.ids), dropout, batch, context);
  }
  if (on_tape({context.anchor})) {
    record("embedding", {context.anchor}, {y},
           [vocabulary, dropout, batch, context](const std::vector<Tensor>& dy, const std::vector<bool>&) {
             add_gradient(vocabulary, batch.ids, drop(dy[0], dropout, batch, context), *context.sink);
             return std::vector<Tensor>(1);
           });
  }
  return y;
}

NormLinearOut norm_linear(const Tensor& x, const Tensor& delta, const ParameterHandle& norm, double eps,
                          const LinearWeights& weights, const TokenBatch& batch, const StageContext& context) {
  LinearPart part(weights, batch, context);
  ops::RmsNormOut normed;
  Tensor y;
  {
    const LayerScope scope;
    normed = ops::rms_norm(x, delta.defined() ? std::make_optional(delta) : std::nullopt, norm.value(), eps);
    y = part.forward(normed.y);
  }
  const Tensor sum = plain(normed.sum);  // its own history: the norm's direct gradient arrives through it
  if (!on_tape({x, delta})) return {sum, y};
  Tensor kept;
  if (!context.save_less && part.needs_input()) kept = normed.y;
  record("norm_linear", {x, delta}, {sum, y},
         [part, norm, eps, kept, context, saved = plain(normed.sum), rstd = normed.rstd](
             const std::vector<Tensor>& d, const std::vector<bool>& wanted) {
           Tensor input = kept;
           if (!input.defined() && part.needs_input()) input = ops::rms_norm(saved, std::nullopt, norm.value(), eps).y;
           const Tensor dnormed = part.backward(d[1], input, true);
           const auto direct = d[0].defined() ? std::make_optional(d[0]) : std::nullopt;
           const Tensor dsum = ops::rms_norm_grad(dnormed, direct, saved, rstd, norm.value(), context.sink->slot(norm));
           return std::vector<Tensor>{wanted[0] ? dsum : Tensor(), wanted[1] ? dsum : Tensor()};
         });
  return {sum, y};
}

Tensor rope_attention(Tensor qkv, ops::AttentionShape shape, const ops::RopeTable& table, const TokenBatch& batch,
                      const StageContext&) {
  const Tensor rotated = plain(qkv);
  ops::AttentionOut attended;
  {
    const LayerScope scope;
    ops::rope_(rotated, shape.heads + shape.kv_heads, shape.head_dim, batch.positions, table);
    attended = ops::attention(rotated, batch.doc_offsets, shape);
  }
  if (!on_tape({qkv})) return attended.out;
  const Tensor out = plain(attended.out);
  record("rope_attention", {qkv}, {out},
         [rotated, attended, shape, table, batch](const std::vector<Tensor>& dout, const std::vector<bool>&) {
           Tensor dqkv = ops::attention_grad(dout[0], rotated, attended, batch.doc_offsets, shape);
           ops::rope_(dqkv, shape.heads + shape.kv_heads, shape.head_dim, batch.positions, table, /*inverse=*/true);
           return std::vector<Tensor>{dqkv};
         });
  return out;
}

Tensor linear(const Tensor& x, const LinearWeights& weights, const DropoutSite& dropout, const TokenBatch& batch,
              const StageContext& context) {
  LinearPart part(weights, batch, context);
  Tensor y;
  {
    const LayerScope scope;
    y = drop(part.forward(x), dropout, batch, context);
  }
  if (!on_tape({x})) return y;
  record("linear", {x}, {y},
         [part, dropout, batch, context, x = part.needs_input() ? plain(x) : Tensor()](
             const std::vector<Tensor>& dy, const std::vector<bool>& wanted) {
           return std::vector<Tensor>{part.backward(drop(dy[0], dropout, batch, context), x, wanted[0])};
         });
  return y;
}

Tensor swiglu_linear(const Tensor& gate_up, const Tensor& residual, const LinearWeights& weights,
                     const DropoutSite& dropout, const TokenBatch& batch, const StageContext& context) {
  LinearPart part(weights, batch, context);
  Tensor active, y;
  {
    const LayerScope scope;
    active = ops::swiglu(gate_up);
    y = drop(part.forward(active), dropout, batch, context).add_(residual);
  }
  if (!on_tape({gate_up, residual})) return y;
  if (context.save_less || !part.needs_input()) active = Tensor();
  record("swiglu_linear", {gate_up, residual}, {y},
         [part, dropout, batch, context, active, gate_up = plain(gate_up)](const std::vector<Tensor>& dy,
                                                                           const std::vector<bool>& wanted) {
           Tensor input = active;
           if (!input.defined() && part.needs_input()) input = ops::swiglu(gate_up);
           const Tensor dactive = part.backward(drop(dy[0], dropout, batch, context), input, wanted[0]);
           return std::vector<Tensor>{wanted[0] ? ops::swiglu_grad(dactive, gate_up) : Tensor(), dy[0]};
         });
  return y;
}

Tensor norm(const Tensor& x, const ParameterHandle& weight, double eps, const StageContext& context) {
  ops::RmsNormOut normed;
  {
    const LayerScope scope;
    normed = ops::rms_norm(x, std::nullopt, weight.value(), eps);
  }
  if (!on_tape({x})) return normed.y;
  record("norm", {x}, {normed.y},
         [weight, context, sum = plain(normed.sum), rstd = normed.rstd](const std::vector<Tensor>& dy,
                                                                        const std::vector<bool>&) {
           return std::vector<Tensor>{
               ops::rms_norm_grad(dy[0], std::nullopt, sum, rstd, weight.value(), context.sink->slot(weight))};
         });
  return normed.y;
}

Tensor token_logprob(const Tensor& x, const Vocabulary& vocabulary, const TokenBatch& batch,
                     const StageContext& context) {
  ops::TokenLogprob out;
  {
    const LayerScope scope;
    out = logprob(vocabulary, x, batch.labels, context.vocabulary);
  }
  if (!on_tape({x})) return out.logprob;
  record("token_logprob", {x}, {out.logprob},
         [vocabulary, context, batch, x = plain(x), lse = out.lse](const std::vector<Tensor>& d,
                                                                   const std::vector<bool>&) {
           return std::vector<Tensor>{logprob_grad(vocabulary, d[0], x, batch.labels, lse, *context.sink)};
         });
  return out.logprob;
}

Tensor fused_token_logprob(const Tensor& x, const ParameterHandle& weight, const Tensor& scale, const TokenBatch& batch,
                           const StageContext& context) {
  ops::FusedCrossEntropy out;
  {
    const LayerScope scope;
    out = ops::fused_cross_entropy(x, weight.value(), batch.labels, scale, context.sink->slot(weight));
  }
  if (!on_tape({x})) fail_internal("the fused head computes a gradient, but nothing is being recorded");
  record("fused_token_logprob", {x}, {out.logprob},
         [dx = out.dx](const std::vector<Tensor>&, const std::vector<bool>&) { return std::vector<Tensor>{dx}; });
  return out.logprob;
}

}  // namespace plumb::model
