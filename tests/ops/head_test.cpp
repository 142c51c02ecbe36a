// The head and the optimizer: log-probabilities, fused cross-entropy, AdamW, the norm.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/ops/oracle.h"
#include "trainer/ops/adamw.h"
#include "trainer/ops/composition.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::ops {
namespace {

using namespace plumb::ops::testing;

struct Case {
  at::DeviceType device;
  at::ScalarType type;
  int64_t rows, width, vocabulary;
  double spread;  // of x: 1e4 makes logits of that size
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (at::DeviceType on : devices()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      all.push_back({on, type, 1, 6, 1, 1.0});
      all.push_back({on, type, 1, 16, 257, 1.0});
      all.push_back({on, type, 131, 48, 257, 1.0});
      all.push_back({on, type, 70, 33, 30011, 1.0});  // more than one chunk of rows
      all.push_back({on, type, 65, 16, 300, 2500.0});
    }
  }
  return all;
}

class Head : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    x_ = random({c.rows, c.width}, c.type, 1, c.spread);
    weight_ = random({c.vocabulary, c.width}, c.type, 2);
    labels_ = arange(c.rows, at::kInt).mul_(37).remainder_(c.vocabulary + 1).sub_(1);  // -1 among them
    if (c.rows == 1) labels_.fill_(c.vocabulary - 1);
    scale_ = random({c.rows}, at::kFloat, 3).abs_();
    const at::Tensor labels = labels_.cpu();
    reference_x_ = leaf(x_);
    reference_weight_ = leaf(weight_);
    at::Tensor logits = at::mm(reference_x_, reference_weight_.t());
    lse_ = logits.logsumexp(1);
    at::Tensor target = logits.gather(1, labels.clamp_min(0).to(at::kLong).unsqueeze(1)).squeeze(1);
    logprob_ = at::where(labels >= 0, target - lse_, 0.0);
    // A logit is a sum of `width` products; an error of e in logits moves log-probabilities by 2 e.
    logit_error_ = at::mm(wide(x_).abs(), wide(weight_).abs().t()).amax(1) * ((c.width + 4) * 0x1p-24);
    error_ = logit_error_ * 2 + lse_.detach().abs() * 0x1p-22 + 1e-6;
  }
  // Gradients of logits are at most |coefficient|, off by the error of their probability and, in bf16, one rounding.
  void expect_gradients(const at::Tensor& coefficient, const at::Tensor& dx, const at::Tensor& dweight) {
    const double rounding = GetParam().type == at::kFloat ? 0x1p-20 : 2.5 * unit_roundoff(at::kBFloat16);
    at::Tensor relative = at::expm1(error_ * 2).clamp_max(1.0) + rounding;
    at::Tensor row = wide(coefficient).abs() * relative * 2;
    at::Tensor dx_bound = (row * wide(weight_).abs().max()).unsqueeze(1) + 1e-12;
    expect_within(dx, reference_x_.grad(), dx_bound, "dx");
    at::Tensor dweight_bound = (row.unsqueeze(1) * wide(x_).abs()).sum(0, true) + 1e-6;
    expect_within(dweight, reference_weight_.grad() + 0.5, dweight_bound, "dweight");
  }

  PoisonedOutputs poisoned_;
  OnDevice on_{GetParam().device};
  at::Tensor x_, weight_, labels_, scale_, reference_x_, reference_weight_, lse_, logprob_, logit_error_, error_;
};

TEST_P(Head, LogprobAndItsGradient) {
  const TokenLogprob out = token_logprob(x_, weight_, labels_);
  expect_within(out.logprob, logprob_, error_, "logprob");
  expect_within(out.lse, lse_, error_, "lse");
  at::Tensor dlogprob = random({GetParam().rows}, at::kFloat, 4);
  (logprob_ * wide(dlogprob)).sum().backward();
  at::Tensor dweight = full(weight_.sizes().vec(), 0.5);
  at::Tensor dx = token_logprob_grad(dlogprob, x_, weight_, labels_, out.lse, dweight);
  expect_gradients(dlogprob, dx, dweight);
  at::Tensor alone = token_logprob_grad(dlogprob, x_, weight_, labels_, out.lse, std::nullopt);
  EXPECT_TRUE(same_bits(dx, alone));
}

TEST_P(Head, FusedCrossEntropy) {
  (-(logprob_ * wide(scale_)).sum()).backward();
  at::Tensor dweight = full(weight_.sizes().vec(), 0.5);
  const FusedCrossEntropy out = fused_cross_entropy(x_, weight_, labels_, scale_, dweight);
  expect_within(out.logprob, logprob_, error_, "logprob");
  expect_gradients(scale_, out.dx, dweight);
  // The compositions are the same functions, in fp64.
  at::Tensor composed_dweight = at::full(weight_.sizes(), 0.5, at::kDouble);
  const FusedCrossEntropy composed =
      composition::fused_cross_entropy(wide(x_), wide(weight_), labels_.cpu(), wide(scale_), composed_dweight);
  const double size = 1 + reference_weight_.grad().abs().max().item<double>();
  expect_within(composed.logprob, logprob_, logprob_.detach().abs() * 1e-12 + 1e-9, "composed logprob");
  expect_within(composed.dx, reference_x_.grad(), at::full({}, 1e-9, at::kDouble), "composed dx");
  expect_within(composed_dweight, reference_weight_.grad() + 0.5, at::full({}, 1e-10 * size, at::kDouble),
                "composed dweight");
}

TEST_P(Head, SlicesOfTheVocabularyMerge) {
  const int64_t cut = GetParam().vocabulary / 3;
  if (cut == 0) {  // one entry: certain, whatever its logit
    EXPECT_TRUE((token_softmax_slice(x_, weight_, labels_, 0).sum == 1).all().item<bool>());
    return;
  }
  const SoftmaxSlice a = token_softmax_slice(x_, weight_.narrow(0, 0, cut), labels_, 0);
  const SoftmaxSlice b = token_softmax_slice(x_, weight_.narrow(0, cut, GetParam().vocabulary - cut), labels_, cut);
  at::Tensor max = at::maximum(a.max, b.max);
  at::Tensor sum = a.sum * (a.max - max).exp() + b.sum * (b.max - max).exp();
  at::Tensor logprob = a.target + b.target - (sum.log() + max);
  expect_within(at::where(labels_ >= 0, logprob, 0.0f), logprob_, error_ * 2, "merged");
}

TEST_P(Head, GradientsOfSlicesJoin) {
  const int64_t cut = GetParam().vocabulary / 3;
  if (cut == 0) return;  // nothing to cut
  const TokenLogprob out = token_logprob(x_, weight_, labels_);
  at::Tensor dlogprob = random({GetParam().rows}, at::kFloat, 4);
  (logprob_ * wide(dlogprob)).sum().backward();
  at::Tensor dweight = full(weight_.sizes().vec(), 0.5);
  const auto part = [&](int64_t begin, int64_t count) {
    return token_logprob_grad(dlogprob, x_, weight_.narrow(0, begin, count), labels_, out.lse,
                              dweight.narrow(0, begin, count), begin);
  };
  at::Tensor low = part(0, cut), high = part(cut, GetParam().vocabulary - cut);
  expect_gradients(dlogprob, wide(low) + wide(high), dweight);
  at::Tensor composed_dweight = at::full(weight_.sizes(), 0.5, at::kDouble);
  at::Tensor composed = at::zeros(x_.sizes(), at::kDouble);
  for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, cut}, {cut, GetParam().vocabulary - cut}}) {
    composed +=
        composition::token_logprob_grad(wide(dlogprob), wide(x_), wide(weight_).narrow(0, begin, count), labels_.cpu(),
                                        lse_.detach(), composed_dweight.narrow(0, begin, count), begin);
  }
  const double size = 1 + reference_weight_.grad().abs().max().item<double>();
  expect_within(composed, reference_x_.grad(), at::full({}, 1e-9, at::kDouble), "composed dx");
  expect_within(composed_dweight, reference_weight_.grad() + 0.5, at::full({}, 1e-10 * size, at::kDouble),
                "composed dweight");
}

TEST_P(Head, NothingToTrainOnGivesZero) {
  at::Tensor none = full({GetParam().rows}, -1, at::kInt), dweight = full(weight_.sizes().vec(), 0.5);
  const FusedCrossEntropy out = fused_cross_entropy(x_, weight_, none, scale_, dweight);
  EXPECT_TRUE((out.logprob == 0).all().item<bool>() && (out.dx == 0).all().item<bool>());
  EXPECT_TRUE((dweight == 0.5).all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Cases, Head, ::testing::ValuesIn(cases()));

TEST(Head, ZeroWeightsAreUniform) {
  at::Tensor x = random({3, 8}, at::kFloat, 1), labels = int_tensor({0, 6, 3});
  const TokenLogprob out = token_logprob(x, at::zeros({7, 8}), labels);
  EXPECT_TRUE(((out.logprob + std::log(7.0)).abs() < 1e-6).all().item<bool>());
}

TEST(Head, LabelsOutsideTheVocabularyAreRefused) {
  at::Tensor x = at::zeros({2, 8}), weight = at::zeros({7, 8}), scale = at::ones({2});
  EXPECT_THROW(fused_cross_entropy(x, weight, int_tensor({0, 7}), scale, std::nullopt), Error);
  EXPECT_THROW(fused_cross_entropy(x, weight, int_tensor({-2, 0}), scale, std::nullopt), Error);
  EXPECT_THROW(token_logprob_grad(scale, x, weight, int_tensor({0, 7}), scale, std::nullopt), Error);
}

TEST(Head, NaNReachesTheLoss) {
  at::Tensor x = at::zeros({2, 8});
  x[1][3] = std::numeric_limits<float>::quiet_NaN();
  const FusedCrossEntropy out =
      fused_cross_entropy(x, at::ones({40, 8}), int_tensor({0, 1}), at::ones({2}), std::nullopt);
  EXPECT_FALSE(out.logprob[0].isnan().item<bool>());
  EXPECT_TRUE(out.logprob[1].isnan().item<bool>());
}

class Optimizer : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  OnDevice on_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Devices, Optimizer, ::testing::ValuesIn(devices()),
                         [](const auto& info) { return testing::name(info.param); });

struct Slots {
  at::Tensor master, m, v, grad;
};
Slots slots(int64_t n) {
  return {random({n}, at::kFloat, 1), random({n}, at::kFloat, 2, 0.1), random({n}, at::kFloat, 3, 0.1).square_(),
          random({n}, at::kFloat, 4)};
}

TEST_P(Optimizer, AdamWMatchesTheFormulaInFp64) {
  const AdamWOptions options{0.9, 0.95, 1e-8, 0.1};
  for (int64_t n : {1, 15, 1000, 70001}) {
    for (at::ScalarType copy : {at::kFloat, at::kBFloat16}) {
      Slots s = slots(n);
      at::Tensor step = at::tensor({3e-3f, 0.271f, 0.142625f, 0.5f}).to(device());
      at::Tensor w = wide(s.master), g = wide(s.grad) * 0.5;
      at::Tensor m = wide(s.m) * 0.9 + g * 0.1, v = wide(s.v) * 0.95 + g * g * 0.05;
      const int64_t begin = n / 3, end = n - n / 4;
      at::Tensor decay = at::zeros({n}, at::kDouble);
      decay.slice(0, begin, end).fill_(0.1);
      at::Tensor update = (m / 0.271) / ((v / 0.142625).sqrt() + 1e-8);
      at::Tensor expected = w - 3e-3 * (update + decay * w);
      at::Tensor compute = full({n}, std::numeric_limits<double>::quiet_NaN(), copy);
      adamw_(s.master, s.m, s.v, s.grad, compute, step, {{begin, end, true}, {end, n, false}}, options);
      const double u = 0x1p-24;
      expect_within(s.m, m, (wide(s.m).abs() + g.abs()) * (4 * u), "m");
      expect_within(s.v, v, v * (8 * u), "v");
      expect_within(s.master, expected, w.abs() * (2 * u) + (update.abs() + 1) * (3e-3 * 64 * u), "master");
      EXPECT_TRUE(same_bits(compute, s.master.to(copy))) << "the compute copy is the master rounded to nearest even";
    }
  }
}

TEST(AdamW, CompositionAndThreadsAgree) {
  const AdamWOptions options{0.9, 0.999, 1e-8, 0.0};
  at::Tensor step = at::tensor({1e-3f, 0.1f, 0.001f, 1.0f});
  Slots one = slots(100000), two = slots(100000), composed = slots(100000);
  adamw_(one.master, one.m, one.v, one.grad, std::nullopt, step, {}, options);
  at::set_num_threads(2);
  adamw_(two.master, two.m, two.v, two.grad, std::nullopt, step, {}, options);
  at::set_num_threads(1);
  EXPECT_TRUE(same_bits(one.master, two.master) && same_bits(one.v, two.v));
  composition::adamw_(composed.master, composed.m, composed.v, composed.grad, std::nullopt, step, {}, options);
  EXPECT_LT((one.master - composed.master).abs().max().item<double>(), 1e-6);
}

TEST(AdamW, SpansOutsideTheShardAreRefused) {
  Slots s = slots(10);
  EXPECT_THROW(adamw_(s.master, s.m, s.v, s.grad, std::nullopt, at::ones({4}), {{0, 11, true}}, {0.9, 0.95, 1e-8, 0.1}),
               Error);
}

TEST_P(Optimizer, SumOfSquaresHasTheSameBitsForAnySplitAtChunkBorders) {
  at::Tensor grad = random({5 * kNormChunk + 777}, at::kFloat, 9, 1e-3);
  at::Tensor whole = sum_of_squares(grad);
  EXPECT_EQ(whole.scalar_type(), at::kDouble);
  const double expected = wide(grad).square().sum().item<double>();
  EXPECT_NEAR(whole.item<double>(), expected, expected * 1e-13);
  for (int64_t cut = 1; cut <= 5; ++cut) {
    at::Tensor parts = at::cat({chunk_sums_of_squares(grad.slice(0, 0, cut * kNormChunk)),
                                chunk_sums_of_squares(grad.slice(0, cut * kNormChunk))});
    EXPECT_TRUE(same_bits(join_chunk_sums(parts), whole)) << cut;
  }
  EXPECT_EQ(sum_of_squares(full({0}, 0)).item<double>(), 0.0);
  at::Tensor nan = grad.clone();
  nan[kNormChunk + 3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum_of_squares(nan).item<double>()));
}

}  // namespace
}  // namespace plumb::ops
