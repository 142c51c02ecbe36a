// A frozen base costs nothing but its weights; generation gives the training model's logits; what is not finite changes
// nothing.
#include <atomic>

#include "support.h"

namespace plumb::engine::testing {
namespace {

using parallel::Communicator;
using parallel::CommunicatorPtr;
using parallel::PendingPtr;

// Counts the elements that are reduced and gathered; otherwise the communicator it wraps.
class Counting : public Communicator {
 public:
  explicit Counting(CommunicatorPtr inner) : inner_(std::move(inner)) {}
  int64_t reduced = 0, gathered = 0;

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  at::Device device() const override { return inner_->device(); }
  std::string name() const override { return inner_->name(); }
  std::string host(int rank) const override { return inner_->host(rank); }
  at::Tensor allocate(int64_t bytes) override { return inner_->allocate(bytes); }
  void all_reduce(at::Tensor tensor, parallel::ReduceOptions options) override {
    reduced += tensor.numel();
    inner_->all_reduce(tensor, options);
  }
  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, parallel::ReduceOptions options) override {
    reduced += input.numel();
    return inner_->reduce_scatter(output, input, options);
  }
  PendingPtr all_gather(at::Tensor output, at::Tensor input) override {
    gathered += output.numel();
    return inner_->all_gather(output, input);
  }
  void broadcast(at::Tensor tensor, int root) override { inner_->broadcast(tensor, root); }
  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive,
                  const std::vector<int64_t>& send) override {
    inner_->all_to_all(output, input, receive, send);
  }
  PendingPtr exchange(const std::vector<parallel::Transfer>& sends,
                      const std::vector<parallel::Transfer>& receives) override {
    return inner_->exchange(sends, receives);
  }
  void barrier() override { inner_->barrier(); }
  CommunicatorPtr split(int color, int key) override { return inner_->split(color, key); }
  void abort(int code, const std::string& why) override { inner_->abort(code, why); }

 private:
  CommunicatorPtr inner_;
};

TEST(Lora, TheFrozenBaseHasNoStateNoGradientNoReduction) {
  EngineOptions options = tiny_options(true);
  const int64_t base = model::parameter_count(options.spec);
  options.lora = model::LoraSpec{2, 4, 0, {"q_proj", "v_proj"}};
  int64_t adapters = 0;
  for (const auto& info : model::parameters(options.spec, options.lora)) adapters += info.trainable ? info.numel() : 0;
  for (options.zero = 0; options.zero < 4; ++options.zero) {
    on_ranks(2, sharded(2), [&](int rank, const parallel::Mesh& plain) {
      parallel::Mesh mesh = plain;
      const auto counting = std::make_shared<Counting>(plain.shard);
      mesh.shard = mesh.data_shard = counting;
      auto engine = Engine::make(options, mesh, at::kCPU);
      engine->initialise(options.seed);
      const auto rows = static_cast<uint64_t>(rank);
      const at::Tensor before = engine->parameter("blocks.1.mlp.up_proj.weight");
      counting->reduced = counting->gathered = 0;
      engine->step(batches(options, rows, rows + 1, 1), *cross_entropy(), 1e-2);
      const int64_t small = 64 + 2 * 2 * parallel::kShardAlignment * 2;  // counts, loss, norm; padding of two buckets
      EXPECT_GE(counting->reduced, adapters);
      EXPECT_LE(counting->reduced, adapters + small) << "zero " << options.zero;
      if (options.zero < 3) {
        EXPECT_LE(counting->gathered, adapters + small) << "zero " << options.zero;
      }
      for (const StatePart& part : engine->state().parts) EXPECT_NE(part.name.find(".lora_"), std::string::npos);
      EXPECT_TRUE(same_bits(engine->parameter("blocks.1.mlp.up_proj.weight"), before));
    });
    // Trained: 16 bytes each on one rank; the base: 4 bytes and nothing else.
    const MemoryTable table = plan_memory(options, 1, 1);
    EXPECT_LE(table.state_bytes(), 4 * (base + 64 * 4) + 16 * (adapters + 64 * 2));
  }
}

TEST(Lora, TheBMatricesMayHaveTheirOwnLearningRate) {
  EngineOptions options = tiny_options();
  options.lora = model::LoraSpec{2, 4, 0, {"q_proj"}};
  options.weight_decay = 0;
  auto plain = one_rank(options);
  options.lora_learning_rate_ratio = 4;
  auto faster = one_rank(options);
  const std::string b = "blocks.0.attention.q_proj.lora_b";
  for (Engine* engine : {plain.get(), faster.get()}) {
    engine->step(batches(options, 0, 2, 2), *cross_entropy(), 1e-3);
  }
  // The first AdamW update has the size of the learning rate, whatever the gradient.
  EXPECT_NEAR((faster->parameter(b).abs().mean() / plain->parameter(b).abs().mean()).item<double>(), 4.0, 1e-3);
}

TEST(Generation, ExtendEqualsTheFullForward) {
  for (const bool lora : {false, true}) {
    EngineOptions options = tiny_options(true);
    if (lora) options.lora = model::LoraSpec{2, 4, 0, {"k_proj", "up_proj"}};
    auto engine = one_rank(options);
    for (int i = 0; i < 2; ++i) engine->step(batches(options, 0, 2, 2), *cross_entropy(), 0.05);
    // Two documents of 9 and 5 tokens as one packed row; padding behind.
    const std::vector<std::vector<int32_t>> texts = {{3, 1, 4, 1, 5, 9, 2, 6, 5}, {35, 8, 9, 7, 9}};
    data::Batch batch;
    batch.rows = 1, batch.sequence_length = 14, batch.doc_offsets = {0, 9, 14}, batch.row_ids = {0};
    for (const auto& text : texts) {
      for (size_t t = 0; t < text.size(); ++t) {
        batch.ids.push_back(text[t]);
        batch.labels.push_back(t + 1 < text.size() ? text[t + 1] : data::kNoLabel);
        batch.loss_weight.push_back(1);
        batch.positions.push_back(static_cast<int32_t>(t));
      }
    }
    const at::Tensor expected = engine->forward(batch);
    engine->hold();
    model::HeldModel& held = engine->held();
    // The first tokens at once, then one by one, of both sequences; then several at a time of uneven length.
    model::KvCache cache = held.make_cache(2, 16);
    at::Tensor logits = held.extend(cache, {{3, 1}, {35, 8}});
    for (size_t t = 2; t < 5; ++t) {
      const at::Tensor logprob = at::log_softmax(logits, -1);
      for (int64_t b = 0; b < 2; ++b) {
        const auto& text = texts[static_cast<size_t>(b)];
        const int64_t place = (b == 0 ? 0 : 9) + static_cast<int64_t>(t) - 1;
        EXPECT_NEAR(logprob[b][text[t]].item<float>(), expected[place].item<float>(), 2e-5) << b << " " << t;
      }
      logits = held.extend(cache, {{texts[0][t]}, {texts[1][t]}});
    }
    logits = held.extend(cache, {{9, 2, 6}, {50}});
    EXPECT_NEAR(at::log_softmax(logits, -1)[0][5].item<float>(), expected[7].item<float>(), 2e-5);
    EXPECT_EQ(cache.lengths, (std::vector<int32_t>{8, 6}));
    EXPECT_THROW(held.extend(cache, {std::vector<int32_t>(9, 1), {1}}), Error) << "beyond the capacity";
    EXPECT_THROW(held.extend(cache, {{67}, {1}}), Error) << "beyond the vocabulary";
    engine->release();
    EXPECT_THROW(engine->held(), Error);
  }
}

TEST(Generation, HeldWeightsAreWholeOnEveryRank) {
  EngineOptions options = tiny_options();
  auto alone = one_rank(options);
  alone->hold();
  model::KvCache cache = alone->held().make_cache(1, 8);
  const at::Tensor expected = alone->held().extend(cache, {{1, 2, 3}});
  options.zero = 3;
  on_ranks(2, sharded(2), [&](int rank, const parallel::Mesh& mesh) {
    auto engine = Engine::make(options, mesh, at::kCPU);
    engine->initialise(options.seed);
    engine->hold();
    if (rank == 0) {  // generation is not collective
      model::KvCache mine = engine->held().make_cache(1, 8);
      EXPECT_TRUE(same_bits(engine->held().extend(mine, {{1, 2, 3}}), expected));
    }
    const EvalResult held = engine->evaluate(batches(options, 0, 2, 2));
    engine->release();
    const EvalResult gathered = engine->evaluate(batches(options, 0, 2, 2));
    EXPECT_DOUBLE_EQ(held.loss_sum, gathered.loss_sum);
  });
}

TEST(Step, WhatIsNotFiniteChangesNothing) {
  const EngineOptions options = tiny_options();
  class Broken : public Objective {
   public:
    std::string name() const override { return "broken"; }
    Normaliser normaliser() const override { return Normaliser::trained_tokens; }
    double count(const data::Batch&) const override { return 1; }
    bool linear_in_logprob() const override { return false; }
    at::Tensor grad_logprob(const at::Tensor& logprob, const DeviceBatch&, double, double&) const override {
      return logprob.mul(std::numeric_limits<double>::infinity());
    }
  };
  auto engine = one_rank(options);
  const auto batch = batches(options, 0, 2, 2);
  engine->step(batch, *cross_entropy(), 1e-2);
  const at::Tensor before = engine->forward(batch[0]);
  const auto values = engine->state().values;
  EXPECT_FALSE(engine->step(batch, Broken(), 1e-2).finite);
  EXPECT_TRUE(same_bits(engine->forward(batch[0]), before));
  EXPECT_EQ(engine->state().values, values);
  EXPECT_TRUE(engine->step(batch, *cross_entropy(), 1e-2).finite);
}

TEST(Step, BadBatchesAreRefused) {
  const EngineOptions options = tiny_options();
  auto engine = one_rank(options);
  const auto refused = [&](const std::function<void(data::Batch&)>& spoil) {
    auto batch = batches(options, 0, 2, 2);
    spoil(batch[0]);
    EXPECT_THROW(engine->step(batch, *cross_entropy(), 1e-2), Error);
  };
  refused([](data::Batch& b) { b.ids[3] = 67; });
  refused([](data::Batch& b) { b.ids[3] = -1; });
  refused([](data::Batch& b) { b.labels[3] = 67; });
  refused([](data::Batch& b) { b.positions[3] = 24; });
  refused([](data::Batch& b) { b.positions.pop_back(); });
  refused([](data::Batch& b) { b.doc_offsets.back() -= 1; });
  refused([](data::Batch& b) { b.doc_offsets[1] = b.doc_offsets[2]; });
  refused([](data::Batch& b) { std::fill(b.loss_weight.begin(), b.loss_weight.end(), 0.0f); });
}

TEST(Initialise, DependsOnSeedNameAndElementOnly) {
  EngineOptions options = tiny_options(true);
  auto alone = one_rank(options);
  options.zero = 3;
  on_ranks(4, sharded(4), [&](int, const parallel::Mesh& mesh) {
    auto engine = Engine::make(options, mesh, at::kCPU);
    engine->initialise(options.seed);
    for (const auto& info : model::parameters(options.spec)) {
      const at::Tensor value = engine->parameter(info.name), expected = alone->parameter(info.name);
      EXPECT_TRUE(same_bits(value, expected)) << info.name;
    }
  });
  const at::Tensor table = alone->parameter("embedding.weight");
  EXPECT_NEAR(table.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(table.std().item<double>(), options.spec.initializer_range, 0.01);
}

TEST(Memory, TheLargestMicroBatchFitsAndOneMoreDoesNot) {
  EngineOptions options = tiny_options();
  options.micro_batch_size = 5;
  const int64_t limit = plan_memory(options, 2, 1).total_bytes() + 1;
  EXPECT_EQ(largest_micro_batch(options, 2, limit, 64), 5);
  EXPECT_EQ(largest_micro_batch(options, 2, limit, 3), 3);
  EXPECT_EQ(largest_micro_batch(options, 2, 100, 64), 0);
}

}  // namespace
}  // namespace plumb::engine::testing
