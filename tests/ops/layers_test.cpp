// Norm, activation, rotation, linear, embedding against fp64 differentiation of their formulas.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/ops/oracle.h"
#include "trainer/ops/dropout.h"
#include "trainer/ops/embedding.h"
#include "trainer/ops/linear.h"
#include "trainer/ops/rms_norm.h"
#include "trainer/ops/rope.h"
#include "trainer/ops/swiglu.h"

namespace plumb::ops {
namespace {

using namespace plumb::ops::testing;

struct Shape {
  at::DeviceType device;
  at::ScalarType type;
  int64_t rows, width;
};
std::string name(const ::testing::TestParamInfo<Shape>& info) {
  return testing::name(info.param.device) + (info.param.type == at::kFloat ? "_fp32" : "_bf16") + "_" +
         std::to_string(info.param.rows) + "x" + std::to_string(info.param.width);
}
std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (at::DeviceType on : devices()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (auto [rows, width] :
           std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 128}, {7, 6}, {65, 33}, {130, 384}, {257, 80}}) {
        all.push_back({on, type, rows, width});
      }
    }
  }
  return all;
}

class Layers : public ::testing::TestWithParam<Shape> {
 protected:
  PoisonedOutputs poisoned_;
  OnDevice on_{GetParam().device};
  at::ScalarType type_ = GetParam().type;
  int64_t rows_ = GetParam().rows, width_ = GetParam().width;
};

TEST(Poison, EmptyIsNaN) {
  PoisonedOutputs poisoned;
  EXPECT_TRUE(at::empty({5}, at::kFloat).isnan().all().item<bool>());
}

TEST_P(Layers, RmsNorm) {
  at::Tensor x = random({rows_, width_}, type_, 1), delta = random({rows_, width_}, type_, 2);
  at::Tensor weight = random({width_}, type_, 3), dy = random({rows_, width_}, type_, 4);
  at::Tensor direct = random({rows_, width_}, type_, 5), dweight = full({width_}, 0.5);
  const double eps = 1e-5;
  for (bool with_delta : {false, true}) {
    auto residual = with_delta ? std::optional<at::Tensor>(delta) : std::nullopt;
    RmsNormOut out = rms_norm(x, residual, weight, eps);
    // The stream is rounded once and is then the exact input of the norm.
    expect_close(out.sum, with_delta ? wide(x) + wide(delta) : wide(x), 1, type_, "sum");
    at::Tensor s = leaf(out.sum), w = leaf(weight);
    at::Tensor rstd = (s.square().mean(1, true) + eps).rsqrt();
    at::Tensor y = s * rstd * w;
    // fp32: a sum of `width` squares halves its error in the root. bf16: two roundings of the result's own size.
    const double roundings = type_ == at::kFloat ? 8 : 2.1;
    at::Tensor grown = y.detach().abs() * (roundings * unit_roundoff(type_)) + 1e-12;
    expect_within(out.y, y, grown, "y");
    expect_close(out.rstd.unsqueeze(1), rstd, 4, at::kFloat, "rstd");
    y.backward(wide(dy));
    dweight.fill_(0.5);
    at::Tensor dsum = rms_norm_grad(dy, direct, out.sum, out.rstd, weight, dweight);
    at::Tensor scale = (wide(dy) * w.detach() * rstd.detach()).abs().amax(1, true) * 2 + wide(direct).abs();
    expect_within(dsum, s.grad() + wide(direct), scale * ((type_ == at::kFloat ? 24 : 1.5) * unit_roundoff(type_)),
                  "dsum");
    at::Tensor bound = (wide(dy) * s.detach() * rstd.detach()).abs().sum(0) + 1;
    // dweight adds dy times the normalised value rounded to the activation's type.
    expect_within(dweight, w.grad() + 0.5, bound * ((type_ == at::kFloat ? 16 : 1.1) * unit_roundoff(type_)),
                  "dweight");
    at::Tensor again = rms_norm_grad(dy, std::nullopt, out.sum, out.rstd, weight, std::nullopt);
    at::Tensor plain = (wide(dy) * w.detach() * rstd.detach()).abs().amax(1, true) * 2 + 1e-12;
    expect_within(again, s.grad(), plain * ((type_ == at::kFloat ? 24 : 1.5) * unit_roundoff(type_)),
                  "dsum without direct");
  }
}

TEST_P(Layers, Swiglu) {
  at::Tensor gate_up = random({rows_, 2 * width_}, type_, 6, 3.0), dy = random({rows_, width_}, type_, 7);
  gate_up.flatten()[0] = -1e4;  // far tails: silu is 0 and its slope too
  at::Tensor reference = leaf(gate_up);
  at::Tensor y = at::silu(reference.narrow(1, 0, width_)) * reference.narrow(1, width_, width_);
  const double roundings = type_ == at::kFloat ? 10 : 1.1;
  expect_within(swiglu(gate_up), y, y.detach().abs() * (roundings * unit_roundoff(type_)) + 1e-30, "y");
  y.backward(wide(dy));
  at::Tensor bound = at::cat({wide(dy), wide(dy)}, 1).abs() * (1 + wide(gate_up).abs()).clamp_max(40) *
                     (1 + wide(gate_up).roll(width_, 1).abs()).clamp_max(40);
  expect_within(swiglu_grad(dy, gate_up), reference.grad(),
                bound * ((type_ == at::kFloat ? 6 : 1) * unit_roundoff(type_)), "dgate_up");
}

TEST_P(Layers, Linear) {
  for (int64_t out : {1, 5, 64, 257}) {
    at::Tensor x = random({rows_, width_}, type_, 8), weight = random({out, width_}, type_, 9);
    at::Tensor dy = random({rows_, out}, type_, 10);
    // |error| <= k u |a||b| for a sum of k products in fp32, plus one rounding of the result to its type.
    auto bound = [&](const at::Tensor& a, const at::Tensor& b, const at::Tensor& result) -> at::Tensor {
      return at::mm(wide(a).abs(), wide(b).abs()) * ((a.size(1) + 2) * 0x1p-24) +
             wide(result).abs() * unit_roundoff(type_);
    };
    at::Tensor y = at::mm(wide(x), wide(weight).t());
    expect_within(ops::linear(x, weight), y, bound(x, weight.t(), y), "y");
    at::Tensor dx = at::mm(wide(dy), wide(weight));
    expect_within(linear_grad_input(dy, weight), dx, bound(dy, weight, dx), "dx");
    at::Tensor dweight = full({out, width_}, 0.25);
    at::Tensor expected = at::mm(wide(dy).t(), wide(x));
    linear_grad_weight_(dweight, dy, x);
    at::Tensor limit =
        at::mm(wide(dy).t().abs(), wide(x).abs()) * ((rows_ + 2) * 0x1p-24) + 0x1p-24 * (expected.abs() + 1);
    expect_within(dweight, expected + 0.25, limit, "dweight");
  }
}

TEST_P(Layers, Embedding) {
  const int64_t vocabulary = 19;
  at::Tensor weight = random({vocabulary, width_}, type_, 11), dy = random({rows_, width_}, type_, 12);
  at::Tensor ids = arange(rows_, at::kInt).mul_(7).remainder_(vocabulary);
  EXPECT_TRUE(same_bits(ops::embedding(ids, weight), weight.index_select(0, ids)));
  at::Tensor dweight = full({vocabulary, width_}, 1), expected = at::ones({vocabulary, width_}, at::kDouble);
  embedding_grad_weight_(dweight, ids, dy);
  at::Tensor size = at::ones({vocabulary, width_}, at::kDouble);
  expected.index_add_(0, ids.cpu(), wide(dy));
  size.index_add_(0, ids.cpu(), wide(dy).abs());
  expect_within(dweight, expected, size * ((rows_ + 1) * 0x1p-24), "dweight");
}

TEST_P(Layers, Rope) {
  for (int64_t head_dim : {2, 6, 16, 64}) {
    const int64_t heads = 3, stride = heads * head_dim + 10;
    RopeTable table = rope_table(rope_inverse_frequencies(head_dim, 10000.0, std::nullopt), 300, device());
    at::Tensor x = random({rows_, stride}, type_, 13), positions = arange(rows_, at::kInt);
    at::Tensor cosine = wide(table.cos).narrow(0, 0, rows_).unsqueeze(1),
               sine = wide(table.sin).narrow(0, 0, rows_).unsqueeze(1);
    at::Tensor parts = wide(x).narrow(1, 0, heads * head_dim).view({rows_, heads, 2, head_dim / 2});
    at::Tensor a = parts.select(2, 0), b = parts.select(2, 1);
    at::Tensor rotated = at::stack({a * cosine - b * sine, b * cosine + a * sine}, 2).view({rows_, heads * head_dim});
    at::Tensor bound = at::stack({a.abs() + b.abs(), a.abs() + b.abs()}, 2).view({rows_, heads * head_dim});
    at::Tensor y = x.clone();
    rope_(y, heads, head_dim, positions, table);
    expect_within(y.narrow(1, 0, heads * head_dim), rotated, bound * (2 * unit_roundoff(type_)), "rotated");
    EXPECT_TRUE(
        same_bits(y.narrow(1, heads * head_dim, 10).contiguous(), x.narrow(1, heads * head_dim, 10).contiguous()));
    // A rotation's transpose is its inverse.
    rope_(y, heads, head_dim, positions, table, true);
    expect_within(y.narrow(1, 0, heads * head_dim), wide(x).narrow(1, 0, heads * head_dim),
                  bound * (6 * unit_roundoff(type_)), "rotated back");
  }
}

TEST_P(Layers, DropoutKeepsByKey) {
  at::Tensor x = full({rows_, width_}, 1, type_), keys = arange(rows_, at::kLong) * 977 - 5;
  at::Tensor y = dropout(x, keys, 42, 0.25);
  EXPECT_TRUE(same_bits(y, dropout(x, keys, 42, 0.25)));
  at::Tensor kept = wide(y) != 0;
  EXPECT_TRUE(((wide(y) - 1 / 0.75).abs() < 0.01).logical_or(kept.logical_not()).all().item<bool>());
  if (rows_ * width_ > 10000) {
    const double n = static_cast<double>(rows_ * width_);
    EXPECT_NEAR(kept.to(at::kDouble).mean().item<double>(), 0.75, 5 * std::sqrt(0.75 * 0.25 / n));
    EXPECT_FALSE(same_bits(y, dropout(x, keys, 43, 0.25)));
    // A row's mask depends on its key alone.
    at::Tensor last = dropout(x.narrow(0, rows_ - 1, 1), keys.narrow(0, rows_ - 1, 1), 42, 0.25);
    EXPECT_TRUE(same_bits(last, y.narrow(0, rows_ - 1, 1).contiguous()));
  }
}

TEST_P(Layers, SameBitsAgain) {
  at::Tensor x = random({rows_, width_}, type_, 14), weight = random({width_}, type_, 15),
             dy = random({rows_, width_}, type_, 16);
  auto run = [&](int threads) {
    at::set_num_threads(threads);
    RmsNormOut norm = rms_norm(x, x, weight, 1e-6);
    at::Tensor dweight = full({width_}, 0), dlinear = full({width_, width_}, 0);
    at::Tensor dsum = rms_norm_grad(dy, std::nullopt, norm.sum, norm.rstd, weight, dweight);
    linear_grad_weight_(dlinear, dy, x);
    at::set_num_threads(1);
    return std::vector<at::Tensor>{norm.y, dsum, dweight, dlinear};
  };
  for (int threads : {1, 2}) {
    std::vector<at::Tensor> first = run(threads), second = run(threads);
    for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(same_bits(first[i], second[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Layers, ::testing::ValuesIn(shapes()), name);

TEST(Rope, Llama3Scaling) {
  // Three ranges of modeling_rope_utils.py: long waves divided by the factor, short ones kept, between interpolated.
  auto plain = rope_inverse_frequencies(64, 500000.0, std::nullopt);
  auto scaled = rope_inverse_frequencies(64, 500000.0, Llama3Scaling{32, 1, 4, 8192});
  EXPECT_EQ(plain[0], 1.0f);
  EXPECT_EQ(scaled[0], 1.0f);
  EXPECT_NEAR(scaled[31] * 32, plain[31], 1e-9);
  int between = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_LE(scaled[i], plain[i]);
    EXPECT_GE(scaled[i] * 32.0001f, plain[i]);
    between += scaled[i] < plain[i] * 0.99f && scaled[i] * 32 > plain[i] * 1.01f;
  }
  EXPECT_GT(between, 0);
}

TEST(Checks, WrongShapesAreNamed) {
  at::Tensor x = at::zeros({4, 8});
  EXPECT_THROW(rms_norm(x, std::nullopt, at::zeros({7}), 1e-5), Error);
  EXPECT_THROW(rms_norm(x, at::zeros({4, 7}), at::zeros({8}), 1e-5), Error);
  EXPECT_THROW(ops::linear(x, at::zeros({3, 7})), Error);
  EXPECT_THROW(ops::linear(x, at::zeros({3, 8}, at::kBFloat16)), Error);
  EXPECT_THROW(swiglu(at::zeros({4, 7})), Error);
  EXPECT_THROW(ops::embedding(int_tensor({0, 9}), x), Error);
  EXPECT_THROW(ops::embedding(int_tensor({-1}), x), Error);
  EXPECT_THROW(dropout(x, at::zeros({4}, at::kLong), 1, 1.0), Error);
  RopeTable table = rope_table(rope_inverse_frequencies(4, 1e4, std::nullopt), 4, at::kCPU);
  EXPECT_THROW(rope_(x, 2, 4, int_tensor({0, 1, 2, 4}), table), Error);
  EXPECT_THROW(rope_(x, 3, 4, int_tensor({0, 1, 2, 3}), table), Error);
  try {
    ops::linear(x, at::zeros({3, 7}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("weight [O, I]"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("[3, 7]"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace plumb::ops
