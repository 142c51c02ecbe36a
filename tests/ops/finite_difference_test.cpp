// Every gradient against central differences of the op's own value in fp64. The fp64 oracles of the other tests
// differentiate a formula that the test states; here nothing but the forward op says what the gradient must be.
// Attention's finite differences stand in attention_test.cpp.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/ops/oracle.h"
#include "trainer/ops/dropout.h"
#include "trainer/ops/embedding.h"
#include "trainer/ops/linear.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/rope.h"
#include "trainer/ops/swiglu.h"
#include "trainer/ops/token_logprob.h"

namespace plumb::ops {
namespace {

using namespace plumb::ops::testing;

using Scalar = std::function<double(const at::Tensor&)>;

// The balance of truncation (h^2) and cancellation (1e-16 / h): both stay below 1e-9 for values near 1.
constexpr double kStep = 1e-5;

at::Tensor central_differences(const Scalar& f, const at::Tensor& point) {
  at::Tensor gradient = at::zeros_like(point), moved = point.clone();
  double* value = moved.data_ptr<double>();
  for (int64_t i = 0; i < point.numel(); ++i) {
    const double middle = value[i];
    value[i] = middle + kStep;
    const double above = f(moved);
    value[i] = middle - kStep;
    const double below = f(moved);
    value[i] = middle;
    gradient.data_ptr<double>()[i] = (above - below) / (2 * kStep);
  }
  return gradient;
}

// The gradient is taken in `type`: fp64 runs the composition, fp32 the own kernels. Its error is bounded relative to
// the element, with a floor relative to the largest element for those that are near 0 by cancellation.
struct Precision {
  at::DeviceType device;
  at::ScalarType type;
  double relative, floor;
};

void expect_gradient(const Precision& precision, const std::string& what, const at::Tensor& gradient,
                     const at::Tensor& point, const Scalar& f) {
  ASSERT_EQ(gradient.scalar_type(), precision.type) << what;
  at::Tensor differences = central_differences(f, point), size = differences.abs();
  ASSERT_GT(size.max().item<double>(), 1e-3) << what << ": a loss that does not move checks nothing";
  expect_within(gradient, differences, size * precision.relative + size.max() * precision.floor, what);
}

double weighted(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); }

class FiniteDifferences : public ::testing::TestWithParam<Precision> {
 protected:
  // Values that fp32 holds exactly, so that both precisions differentiate at the same point. The differences are taken
  // on the CPU.
  at::Tensor draw(std::vector<int64_t> shape, double spread = 1.0) {
    return random(std::move(shape), at::kDouble, ++seed_, spread).cpu().to(at::kFloat).to(at::kDouble);
  }
  at::Tensor in(const at::Tensor& tensor) const { return tensor.to(device(), precision_.type); }
  at::Tensor there(const at::Tensor& integers) const { return integers.to(device()); }
  // A slot that gradients are added to holds something already.
  at::Tensor slot(const at::Tensor& weight) const { return at::full_like(in(weight), kHeld); }
  void expect(const std::string& what, const at::Tensor& gradient, const at::Tensor& point, const Scalar& f) const {
    expect_gradient(precision_, what, gradient, point, f);
  }
  void expect_added(const std::string& what, const at::Tensor& slot, const at::Tensor& point, const Scalar& f) const {
    expect(what, slot - kHeld, point, f);
  }

  static constexpr double kHeld = 0.5;
  PoisonedOutputs poisoned_;
  OnDevice on_{GetParam().device};
  Precision precision_ = GetParam();
  uint64_t seed_ = 100;
};

TEST_P(FiniteDifferences, Linear) {
  at::Tensor x = draw({5, 7}), weight = draw({6, 7}), dy = draw({5, 6});
  expect("dx", linear_grad_input(in(dy), in(weight)), x,
         [&](const at::Tensor& p) { return weighted(ops::linear(p, weight), dy); });
  at::Tensor dweight = slot(weight);
  linear_grad_weight_(dweight, in(dy), in(x));
  expect_added("dweight", dweight, weight, [&](const at::Tensor& p) { return weighted(ops::linear(x, p), dy); });
}

TEST_P(FiniteDifferences, Embedding) {
  // An id that comes three times, and rows that nothing reads.
  at::Tensor weight = draw({6, 5}), dy = draw({7, 5}), ids = int_tensor({4, 0, 4, 3, 0, 4, 1}).cpu();
  at::Tensor dweight = slot(weight);
  embedding_grad_weight_(dweight, there(ids), in(dy));
  expect_added("dweight", dweight, weight, [&](const at::Tensor& p) { return weighted(ops::embedding(ids, p), dy); });
}

TEST_P(FiniteDifferences, RmsNorm) {
  // One row is small enough that eps matters.
  const double eps = 1e-2;
  at::Tensor x = draw({4, 9}), weight = draw({9}), dy = draw({4, 9});
  x[2] *= 0x1p-4;
  RmsNormOut out = rms_norm(in(x), std::nullopt, in(weight), eps);
  at::Tensor dweight = slot(weight);
  at::Tensor dx = rms_norm_grad(in(dy), std::nullopt, out.sum, out.rstd, in(weight), dweight);
  expect("dx", dx, x, [&](const at::Tensor& p) { return weighted(rms_norm(p, std::nullopt, weight, eps).y, dy); });
  expect_added("dweight", dweight, weight,
               [&](const at::Tensor& p) { return weighted(rms_norm(x, std::nullopt, p, eps).y, dy); });
}

TEST_P(FiniteDifferences, RmsNormOfASum) {
  const double eps = 1e-2;
  at::Tensor x = draw({4, 9}), delta = draw({4, 9}), weight = draw({9}), dy = draw({4, 9}), direct = draw({4, 9});
  // The residual stream is used twice: normalised, and as it is by what follows.
  auto loss = [&](const at::Tensor& a, const at::Tensor& b, const at::Tensor& w) {
    RmsNormOut out = rms_norm(a, b, w, eps);
    return weighted(out.y, dy) + weighted(out.sum, direct);
  };
  RmsNormOut out = rms_norm(in(x), in(delta), in(weight), eps);
  at::Tensor dweight = slot(weight);
  at::Tensor dsum = rms_norm_grad(in(dy), in(direct), out.sum, out.rstd, in(weight), dweight);
  expect("dx", dsum, x, [&](const at::Tensor& p) { return loss(p, delta, weight); });
  expect("ddelta", dsum, delta, [&](const at::Tensor& p) { return loss(x, p, weight); });
  expect_added("dweight", dweight, weight, [&](const at::Tensor& p) { return loss(x, delta, p); });
}

TEST_P(FiniteDifferences, Rope) {
  // Heads fill a part of each row; what follows them passes through.
  const int64_t heads = 2, head_dim = 6;
  const std::vector<float> frequencies = rope_inverse_frequencies(head_dim, 100.0, std::nullopt);
  at::Tensor x = draw({4, heads * head_dim + 3}), dy = draw({4, heads * head_dim + 3});
  at::Tensor positions = int_tensor({0, 1, 7, 39}).cpu();
  auto rotated = [&](const at::Tensor& rows, bool inverse) {
    at::Tensor copy = rows.clone();
    rope_(copy, heads, head_dim, positions.to(rows.device()), rope_table(frequencies, 40, rows.device()), inverse);
    return copy;
  };
  for (bool inverse : {false, true}) {
    expect(inverse ? "dx of the inverse" : "dx", rotated(in(dy), !inverse), x,
           [&](const at::Tensor& p) { return weighted(rotated(p, inverse), dy); });
  }
}

TEST_P(FiniteDifferences, Swiglu) {
  at::Tensor gate_up = draw({4, 10}, 2.0), dy = draw({4, 5});
  expect("dgate_up", swiglu_grad(in(dy), in(gate_up)), gate_up,
         [&](const at::Tensor& p) { return weighted(swiglu(p), dy); });
}

TEST_P(FiniteDifferences, Dropout) {
  at::Tensor x = draw({4, 9}), dy = draw({4, 9}), keys = at::arange(4, at::kLong) * 977 - 5;
  // The mask is a function of the keys alone: the op is linear and its own transpose.
  at::Tensor dx = dropout(in(dy), there(keys), 42, 0.25);
  const int64_t dropped = (dx == 0).sum().item<int64_t>();
  ASSERT_TRUE(0 < dropped && dropped < dx.numel()) << dropped;
  expect("dx", dx, x, [&](const at::Tensor& p) { return weighted(dropout(p, keys, 42, 0.25), dy); });
}

TEST_P(FiniteDifferences, TokenLogprob) {
  at::Tensor x = draw({6, 5}), weight = draw({11, 5}), labels = int_tensor({0, 10, -1, 4, 4, 7}).cpu();
  at::Tensor dlogprob = draw({6});  // of either sign, as policy gradients have them
  auto loss = [&](const at::Tensor& a, const at::Tensor& w) {
    return weighted(token_logprob(a, w, labels).logprob, dlogprob);
  };
  TokenLogprob out = token_logprob(in(x), in(weight), there(labels));
  at::Tensor dweight = slot(weight);
  at::Tensor dx = token_logprob_grad(in(dlogprob), in(x), in(weight), there(labels), out.lse, dweight);
  expect("dx", dx, x, [&](const at::Tensor& p) { return loss(p, weight); });
  expect_added("dweight", dweight, weight, [&](const at::Tensor& p) { return loss(x, p); });
  EXPECT_TRUE((dx[2] == 0).all().item<bool>()) << "a row without a label";
}

TEST_P(FiniteDifferences, FusedCrossEntropy) {
  at::Tensor x = draw({6, 5}), weight = draw({11, 5}), labels = int_tensor({0, 10, -1, 4, 4, 7}).cpu();
  at::Tensor scale = draw({6}).abs();
  auto loss = [&](const at::Tensor& a, const at::Tensor& w) {
    return -weighted(fused_cross_entropy(a, w, labels, scale, std::nullopt).logprob, scale);
  };
  at::Tensor dweight = slot(weight);
  FusedCrossEntropy out = fused_cross_entropy(in(x), in(weight), there(labels), in(scale), dweight);
  expect("dx", out.dx, x, [&](const at::Tensor& p) { return loss(p, weight); });
  expect_added("dweight", dweight, weight, [&](const at::Tensor& p) { return loss(x, p); });
  EXPECT_TRUE((out.dx[2] == 0).all().item<bool>()) << "a row without a label";
}

// fp32: some ten roundings of 2^-24 of the largest terms.
std::vector<Precision> precisions() {
  std::vector<Precision> all;
  for (at::DeviceType on : devices()) {
    all.push_back({on, at::kDouble, 1e-6, 1e-8});
    all.push_back({on, at::kFloat, 1e-6, 1e-6});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Precisions, FiniteDifferences, ::testing::ValuesIn(precisions()),
                         [](const ::testing::TestParamInfo<Precision>& info) {
                           return testing::name(info.param.device) +
                                  (info.param.type == at::kDouble ? "_fp64" : "_fp32");
                         });

}  // namespace
}  // namespace plumb::ops
