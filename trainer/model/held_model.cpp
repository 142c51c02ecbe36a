// Generation: the same ops as in training, with keys and values cached.
#include <ATen/ATen.h>

#include <numeric>

#include "core/error.h"
#include "trainer/model/tape.h"
#include "trainer/model/transformer.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/swiglu.h"

namespace plumb::model {

namespace {

using at::Tensor;

// One pass of some tokens through all blocks: `rows` tokens, each of one sequence of the cache.
struct Pass {
  std::vector<int32_t> ids, positions, doc_offsets;  // doc_offsets: first pass only, one document per sequence
  std::vector<int64_t> sequences;                    // which sequence a document (or a row, later) belongs to
  bool first = false;                                // nothing cached yet: tokens attend to each other
  Tensor index, lengths;                             // later passes: sequences as int64, lengths int32 with this token
};

class CachedModel : public HeldModel {
 public:
  CachedModel(const Transformer& model, std::optional<int64_t> vocabulary) : model_(model) {
    context_.vocabulary = vocabulary;
  }
  const ModelSpec& spec() const override { return model_.spec(); }

  KvCache make_cache(int64_t batch, int64_t capacity) const override {
    if (batch < 1 || capacity < 1) fail_internal("a cache needs at least one sequence and one token");
    KvCache cache{batch, capacity, {}, {}, std::vector<int32_t>(static_cast<size_t>(batch), 0)};
    const int64_t width = spec().num_key_value_heads * spec().head_dim;
    const auto options = model_.embedding_rows().rows.value().options();
    for (int64_t block = 0; block < spec().num_hidden_layers; ++block) {
      cache.keys.push_back(at::zeros({batch, capacity, width}, options));
      cache.values.push_back(at::zeros({batch, capacity, width}, options));
    }
    model_.rope(capacity);
    return cache;
  }

  Tensor extend(KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const override {
    check(cache, tokens);
    const Recording off(false);
    const LayerScope scope;
    const bool first = std::all_of(cache.lengths.begin(), cache.lengths.end(), [](int32_t n) { return n == 0; });
    const Tensor hidden = first ? prefill(cache, tokens) : decode(cache, tokens);
    const Tensor normed = ops::rms_norm(hidden, std::nullopt, model_.final_norm().value(), spec().rms_norm_eps).y;
    return logits(model_.head_rows(), normed, context_.vocabulary).to(at::kFloat).cpu();
  }

 private:
  void check(const KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const {
    if (static_cast<int64_t>(tokens.size()) != cache.batch) fail_internal("extend needs tokens for every sequence");
    for (size_t b = 0; b < tokens.size(); ++b) {
      if (tokens[b].empty()) fail_internal("extend needs at least one token for every sequence");
      if (cache.lengths[b] + static_cast<int64_t>(tokens[b].size()) > cache.capacity) {
        throw Error(ExitCode::bad_input,
                    "the text is longer than the " + std::to_string(cache.capacity) + " tokens there is room for", "",
                    "ask for fewer new tokens");
      }
      for (const int32_t id : tokens[b]) {
        if (id < 0 || id >= spec().vocab_size) {
          fail_input("token " + std::to_string(id), "the vocabulary has " + std::to_string(spec().vocab_size) + " rows",
                     "the tokenizer belongs to another model");
        }
      }
    }
  }

  Tensor to_device(const std::vector<int32_t>& values) const {
    return at::tensor(values, at::TensorOptions(at::kInt)).to(model_.device());
  }

  Tensor prefill(KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const {
    Pass pass;
    pass.first = true;
    pass.doc_offsets = {0};
    std::vector<int64_t> last;
    for (size_t b = 0; b < tokens.size(); ++b) {
      for (size_t t = 0; t < tokens[b].size(); ++t) {
        pass.ids.push_back(tokens[b][t]);
        pass.positions.push_back(static_cast<int32_t>(t));
      }
      pass.doc_offsets.push_back(static_cast<int32_t>(pass.ids.size()));
      pass.sequences.push_back(static_cast<int64_t>(b));
      last.push_back(static_cast<int64_t>(pass.ids.size()) - 1);
      cache.lengths[b] = static_cast<int32_t>(tokens[b].size());
    }
    const Tensor hidden = run(cache, pass);
    return hidden.index_select(0, at::tensor(last, at::TensorOptions(at::kLong)).to(model_.device()));
  }

  // One token of every sequence at a time; sequences that bring fewer drop out.
  Tensor decode(KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const {
    size_t most = 0;
    for (const auto& one : tokens) most = std::max(most, one.size());
    std::vector<Tensor> last(tokens.size());
    for (size_t t = 0; t < most; ++t) {
      Pass pass;
      std::vector<int32_t> lengths;
      for (size_t b = 0; b < tokens.size(); ++b) {
        if (t >= tokens[b].size()) continue;
        pass.ids.push_back(tokens[b][t]);
        pass.positions.push_back(cache.lengths[b]);
        pass.sequences.push_back(static_cast<int64_t>(b));
        lengths.push_back(++cache.lengths[b]);
      }
      pass.index = at::tensor(pass.sequences, at::TensorOptions(at::kLong)).to(model_.device());
      pass.lengths = to_device(lengths);
      const Tensor hidden = run(cache, pass);
      for (size_t row = 0; row < pass.sequences.size(); ++row) {
        last[static_cast<size_t>(pass.sequences[row])] = hidden.narrow(0, static_cast<int64_t>(row), 1);
      }
    }
    return last.size() == 1 ? last[0] : at::cat(last);
  }

  Tensor apply(const Tensor& x, const LinearWeights& weights) const { return linear(x, weights, {}, {}, context_); }

  Tensor run(KvCache& cache, const Pass& pass) const {
    const Tensor positions = to_device(pass.positions);
    const Tensor offsets = at::tensor(pass.doc_offsets, at::TensorOptions(at::kInt));
    const ops::RopeTable table = model_.rope(cache.capacity);
    const double eps = spec().rms_norm_eps;
    Tensor x = rows_of(model_.embedding_rows(), to_device(pass.ids));
    for (int64_t i = 0; i < spec().num_hidden_layers; ++i) {
      const Block& block = model_.block(i);
      const auto [h, qkv] = norm_linear(x, Tensor(), block.attention_norm, eps, block.qkv, {}, context_);
      const ops::AttentionShape shape = model_.attention_shape();
      ops::rope_(qkv, shape.heads + shape.kv_heads, shape.head_dim, positions, table);
      const Tensor attended = attend(cache, i, qkv, pass, offsets);
      const Tensor o = apply(attended, block.o);
      const auto [h2, gate_up] = norm_linear(h, o, block.mlp_norm, eps, block.gate_up, {}, context_);
      x = swiglu_linear(gate_up, h2, block.down, {}, {}, context_);
    }
    return x;
  }

  Tensor attend(KvCache& cache, int64_t layer, const Tensor& qkv, const Pass& pass, const Tensor& offsets) const {
    const ops::AttentionShape shape = model_.attention_shape();
    const int64_t q = shape.heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim;
    Tensor& keys = cache.keys[static_cast<size_t>(layer)];
    Tensor& values = cache.values[static_cast<size_t>(layer)];
    const Tensor k = qkv.narrow(1, q, kv), v = qkv.narrow(1, q + kv, kv);
    if (pass.first) {
      for (size_t d = 0; d < pass.sequences.size(); ++d) {
        const int64_t begin = pass.doc_offsets[d], count = pass.doc_offsets[d + 1] - begin;
        keys.select(0, pass.sequences[d]).narrow(0, 0, count).copy_(k.narrow(0, begin, count));
        values.select(0, pass.sequences[d]).narrow(0, 0, count).copy_(v.narrow(0, begin, count));
      }
      return ops::attention(qkv, offsets, shape).out;
    }
    for (size_t row = 0; row < pass.sequences.size(); ++row) {
      const int64_t at = pass.positions[row], sequence = pass.sequences[row];
      keys.select(0, sequence).select(0, at).copy_(k.select(0, static_cast<int64_t>(row)));
      values.select(0, sequence).select(0, at).copy_(v.select(0, static_cast<int64_t>(row)));
    }
    const bool all = static_cast<int64_t>(pass.sequences.size()) == cache.batch;
    return ops::attention_decode(qkv.narrow(1, 0, q).contiguous(), all ? keys : keys.index_select(0, pass.index),
                                 all ? values : values.index_select(0, pass.index), pass.lengths, shape);
  }

  const Transformer& model_;
  StageContext context_;
};

}  // namespace

std::unique_ptr<HeldModel> hold_model(const Transformer& model, std::optional<int64_t> vocabulary) {
  return std::make_unique<CachedModel>(model, vocabulary);
}

}  // namespace plumb::model
