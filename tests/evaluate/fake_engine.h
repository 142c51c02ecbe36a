// An engine whose probabilities are a hash of the document so far: whoever sees a wrong context, position or label gets
// another number.
#pragma once

#include <ATen/ATen.h>

#include "trainer/engine/engine.h"

namespace plumb::evaluate {

class HashHeld : public model::HeldModel {
 public:
  explicit HashHeld(model::ModelSpec spec) : spec_(std::move(spec)) {}
  const model::ModelSpec& spec() const override { return spec_; }
  model::KvCache make_cache(int64_t batch, int64_t capacity) const override {
    model::KvCache cache;
    cache.batch = batch;
    cache.capacity = capacity;
    cache.keys = {at::zeros({batch, capacity, 1})};
    cache.values = {at::zeros({batch, capacity, 1})};
    cache.lengths.assign(static_cast<size_t>(batch), 0);
    return cache;
  }
  // Answers with the prompt's letters turned to upper case, one after the other, then with the end id 256.
  at::Tensor extend(model::KvCache& cache, const std::vector<std::vector<int32_t>>& tokens) const override {
    at::Tensor logits = at::zeros({cache.batch, spec_.vocab_size});
    for (int64_t b = 0; b < cache.batch; ++b) {
      auto& length = cache.lengths[static_cast<size_t>(b)];
      for (const int32_t id : tokens[static_cast<size_t>(b)]) cache.keys[0][b][length++] = id;
      int64_t end = 0;  // of the prompt: its line end
      while (end < length && cache.keys[0][b][end].item<float>() != '\n') ++end;
      const int64_t said = length - end - 1;
      int64_t next = 256;
      if (said < end) {
        next = cache.keys[0][b][said].item<int64_t>();
        if (next >= 'a' && next <= 'z') next -= 'a' - 'A';
      }
      logits[b][next] = 1;
    }
    return logits;
  }

 private:
  model::ModelSpec spec_;
};

class FakeEngine : public engine::Engine {
 public:
  explicit FakeEngine(int64_t rows = 2, int64_t length = 16) {
    options_.micro_batch_size = rows;
    options_.sequence_length = length;
    options_.spec.vocab_size = 257;
    options_.spec.max_position_embeddings = 64;
    held_ = std::make_unique<HashHeld>(options_.spec);
  }
  static double logprob(const std::vector<int32_t>& context, int32_t label) {
    uint64_t h = 99;
    for (const int32_t id : context) h = h * 1000003 + static_cast<uint64_t>(id) + 1;
    h = (h ^ static_cast<uint64_t>(label)) * 0x9E3779B97F4A7C15ull;
    return -0.25 * static_cast<double>(1 + (h >> 40) % 16);  // exact in fp32
  }
  at::Tensor forward(const data::Batch& batch, bool) override {
    ++forwards;
    EXPECT_EQ(batch.rows, options_.micro_batch_size);
    EXPECT_EQ(batch.sequence_length, options_.sequence_length);
    EXPECT_EQ(static_cast<int64_t>(batch.ids.size()), batch.tokens());
    EXPECT_EQ(batch.doc_offsets.back(), batch.tokens());
    EXPECT_EQ(batch.sample_ids.size() + 1, batch.doc_offsets.size());
    at::Tensor out = at::zeros({batch.tokens()});
    for (size_t d = 0; d + 1 < batch.doc_offsets.size(); ++d) {
      std::vector<int32_t> context;
      EXPECT_LT(batch.doc_offsets[d], batch.doc_offsets[d + 1]);
      for (auto t = static_cast<size_t>(batch.doc_offsets[d]); t < static_cast<size_t>(batch.doc_offsets[d + 1]); ++t) {
        EXPECT_EQ(batch.positions[t], static_cast<int32_t>(context.size()));
        EXPECT_EQ(batch.labels[t] == data::kNoLabel, batch.loss_weight[t] == 0);
        context.push_back(batch.ids[t]);
        if (batch.labels[t] != data::kNoLabel) out[static_cast<int64_t>(t)] = logprob(context, batch.labels[t]);
      }
    }
    return out;
  }
  void hold() override { ++holds; }
  void release() override { --holds; }
  model::HeldModel& held() override { return *held_; }
  const engine::EngineOptions& options() const override { return options_; }

  void initialise(uint64_t) override {}
  void load(const model::WeightSource&) override {}
  engine::StepResult step(std::span<const data::Batch>, const engine::Objective&, double) override { return {}; }
  engine::EvalResult evaluate(std::span<const data::Batch>) override { return {}; }
  void limit_vocabulary(std::optional<int64_t>) override {}
  at::Tensor parameter(const std::string&) override { return {}; }
  at::Tensor gradient(const std::string&) override { return {}; }
  engine::StateRegistry& state() override { return state_; }
  const engine::MemoryTable& memory() const override { return memory_; }
  std::vector<engine::Action> plan(int) const override { return {}; }

  int forwards = 0, holds = 0;

 private:
  engine::EngineOptions options_;
  std::unique_ptr<HashHeld> held_;
  engine::StateRegistry state_;
  engine::MemoryTable memory_;
};

}  // namespace plumb::evaluate
