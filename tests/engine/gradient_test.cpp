// One step's gradients against fp64 autograd of the plain composition, for every way of running it.
#include "reference.h"

namespace plumb::engine::testing {
namespace {

void expect_gradients(const EngineOptions& options, Engine& engine, const std::vector<data::Batch>& batch,
                      Reference& reference) {
  const double loss = reference.backward(batch);
  const StepResult result = engine.step(batch, *cross_entropy(), 0.0);
  EXPECT_NEAR(result.loss, loss, 1e-6 * loss);
  int64_t rows = 0;
  for (const auto& one : batch) rows += one.rows;
  const double bound = gradient_bound(options, rows);
  double squares = 0;
  for (const auto& [name, gradient] : gradients(engine)) {
    const at::Tensor expected = reference.values().at(name).grad();
    ASSERT_TRUE(expected.defined()) << name;
    EXPECT_GT(expected.norm().item<double>(), 0) << name;
    EXPECT_LT(relative_error(gradient, expected), bound) << name;
    squares += expected.square().sum().item<double>();
  }
  EXPECT_NEAR(result.grad_norm, std::sqrt(squares), 1e-5 * std::sqrt(squares));
}

TEST(Gradient, EqualsFp64Autograd) {
  for (const bool tied : {false, true}) {
    const EngineOptions options = tiny_options(tied);
    auto engine = one_rank(options);
    Reference reference(options, *engine);
    expect_gradients(options, *engine, batches(options, 0, 4, 4), reference);
  }
}

TEST(Gradient, AccumulationEqualsTheLargeBatch) {
  const EngineOptions options = tiny_options(true);
  auto large = one_rank(options), small = one_rank(options);
  Reference reference(options, *small);
  expect_gradients(options, *small, batches(options, 0, 6, 1), reference);
  const StepResult result = large->step(batches(options, 0, 6, 6), *cross_entropy(), 0.0);
  EXPECT_NEAR(result.loss, small->step(batches(options, 0, 6, 2), *cross_entropy(), 0.0).loss, 1e-6 * result.loss);
  const auto a = gradients(*large), b = gradients(*small);
  for (const auto& [name, gradient] : a) {
    EXPECT_LT(relative_error(gradient, b.at(name)), 2 * gradient_bound(options, 6)) << name;
  }
}

TEST(Gradient, LoraOnEveryTarget) {
  EngineOptions options = tiny_options(true);
  options.lora = model::LoraSpec{3, 6, 0, {"q_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}};
  auto engine = one_rank(options);
  // B starts at zero, which would leave A without a gradient: a few updates first.
  for (int i = 0; i < 3; ++i) engine->step(batches(options, 10, 12, 2), *cross_entropy(), 0.05);
  Reference reference(options, *engine);
  expect_gradients(options, *engine, batches(options, 0, 4, 2), reference);
  for (const auto& info : parameters(options)) {
    if (!info.trainable) {
      EXPECT_THROW(engine->gradient(info.name), Error) << info.name;
    }
  }
}

TEST(Gradient, NewRowsAloneAndBesideAdapters) {
  for (const bool tied : {false, true}) {
    for (const bool lora : {false, true}) {
      EngineOptions options = tiny_options(tied);
      options.new_rows = 40;
      if (lora) options.lora = model::LoraSpec{3, 6, 0, {"q_proj", "down_proj"}};
      auto engine = one_rank(options);
      for (int i = 0; i < 3; ++i) engine->step(batches(options, 10, 12, 2), *cross_entropy(), 0.05);
      Reference reference(options, *engine);
      expect_gradients(options, *engine, batches(options, 0, 4, 2), reference);
    }
  }
}

TEST(Gradient, RecomputationAndDeferredWeightGradientsGiveTheSameBits) {
  for (const int part : {0, 1, 2}) {  // all, adapters, new rows
    EngineOptions options = tiny_options(true);
    options.spec.hidden_dropout = 0.1;
    if (part == 2) options.new_rows = 51;
    if (part == 1) options.lora = model::LoraSpec{2, 4, 0.2, {"q_proj", "k_proj", "v_proj", "down_proj"}};
    std::vector<std::map<std::string, at::Tensor>> all;
    for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
      for (const bool defer : {false, true}) {
        options.recompute = recompute;
        options.defer_weight_grads = defer;
        auto engine = one_rank(options);
        for (uint64_t step = 0; step < 3; ++step) {
          engine->step(batches(options, 4 * step, 4 * step + 4, 2), *cross_entropy(), 1e-2);
        }
        all.push_back(gradients(*engine));
      }
    }
    for (size_t i = 1; i < all.size(); ++i) {
      for (const auto& [name, gradient] : all[0]) EXPECT_TRUE(same_bits(gradient, all[i].at(name))) << name << " " << i;
    }
  }
}

TEST(Gradient, AnObjectiveOfItsOwnRunsThroughTheGeneralHead) {
  // Sum of squared log-probabilities per trained token: not linear, so the fused head must not be taken.
  class Squares : public Objective {
   public:
    std::string name() const override { return "squares"; }
    Normaliser normaliser() const override { return Normaliser::trained_tokens; }
    double count(const data::Batch& batch) const override { return cross_entropy()->count(batch); }
    bool linear_in_logprob() const override { return false; }
    at::Tensor grad_logprob(const at::Tensor& logprob, const DeviceBatch& batch, double total,
                            double& loss) const override {
      loss += (batch.loss_weight * logprob.square()).sum().item<double>() / total;
      return batch.loss_weight * logprob * (2 / total);
    }
  };
  const EngineOptions options = tiny_options();
  auto engine = one_rank(options);
  Reference reference(options, *engine);
  const auto batch = batches(options, 0, 3, 3);
  const at::Tensor weight = at::tensor(batch[0].loss_weight, at::TensorOptions(at::kDouble));
  const at::Tensor loss = (weight * reference.logprob(batch[0]).square()).sum() / cross_entropy()->count(batch[0]);
  loss.backward();
  const StepResult result = engine->step(batch, Squares(), 0.0);
  EXPECT_NEAR(result.loss, loss.item<double>(), 1e-6 * result.loss);
  for (const auto& [name, gradient] : gradients(*engine)) {
    EXPECT_LT(relative_error(gradient, reference.values().at(name).grad()), gradient_bound(options, 3)) << name;
  }
}

TEST(Forward, OtherDocumentsKeepTheirBits) {
  const EngineOptions options = tiny_options();
  auto engine = one_rank(options);
  auto batch = batches(options, 0, 2, 2).front();
  const at::Tensor before = engine->forward(batch);
  const int32_t begin = batch.doc_offsets[1], end = batch.doc_offsets[2];
  ASSERT_GT(end - begin, 1);
  for (int32_t t = begin; t < end; ++t)
    batch.ids[static_cast<size_t>(t)] = (batch.ids[static_cast<size_t>(t)] + 1) % 67;
  const at::Tensor after = engine->forward(batch);
  const at::Tensor same = before.eq(after);
  EXPECT_TRUE(same.narrow(0, 0, begin).all().item<bool>());
  EXPECT_TRUE(same.narrow(0, end, batch.tokens() - end).all().item<bool>());
  EXPECT_FALSE(same.narrow(0, begin, end - begin).all().item<bool>());
}

TEST(Forward, EqualsFp64AndEvaluationSumsIt) {
  const EngineOptions options = tiny_options();
  auto engine = one_rank(options);
  Reference reference(options, *engine);
  const auto all = batches(options, 0, 4, 2);
  double sum = 0, weight = 0;
  for (const auto& batch : all) {
    const at::Tensor expected = reference.logprob(batch);
    EXPECT_LT(relative_error(engine->forward(batch), expected), gradient_bound(options, 2));
    sum -= (at::tensor(batch.loss_weight, at::TensorOptions(at::kDouble)) * expected).sum().item<double>();
    weight += cross_entropy()->count(batch);
  }
  const EvalResult result = engine->evaluate(all);
  EXPECT_NEAR(result.loss_sum, sum, 1e-5 * sum);
  EXPECT_DOUBLE_EQ(result.weight, weight);
  EXPECT_EQ(result.tokens, 4 * options.sequence_length);
}

TEST(Forward, AdaptersCanBeSwitchedOff) {
  EngineOptions options = tiny_options();
  const auto batch = batches(options, 0, 2, 2).front();
  const at::Tensor base = one_rank(options)->forward(batch);
  options.lora = model::LoraSpec{2, 4, 0, {"q_proj", "down_proj"}};
  auto engine = one_rank(options);
  EXPECT_TRUE(same_bits(engine->forward(batch), base)) << "B starts at zero";
  engine->step(batches(options, 0, 2, 2), *cross_entropy(), 0.1);
  EXPECT_FALSE(same_bits(engine->forward(batch), base));
  EXPECT_TRUE(same_bits(engine->forward(batch, false), base)) << "the base is frozen";
}

}  // namespace
}  // namespace plumb::engine::testing
