// Packed causal attention against fp64 differentiation of softmax attention with an explicit mask.
#include "trainer/ops/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/ops/oracle.h"
#include "trainer/ops/composition.h"

namespace plumb::ops {
namespace {

using namespace plumb::ops::testing;

struct Case {
  at::DeviceType device;
  at::ScalarType type;
  int64_t heads, kv_heads, head_dim;
  std::vector<int32_t> offsets;
  double spread = 1.0;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (at::DeviceType on : devices()) {
    for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      all.push_back({on, type, 1, 1, 6, {0, 1}});
      all.push_back({on, type, 4, 4, 32, {0, 64, 128}});
      all.push_back({on, type, 4, 2, 16, {0, 1, 2, 3, 50, 50, 61}});
      all.push_back({on, type, 6, 1, 80, {0, 37, 131}});
      all.push_back({on, type, 2, 2, 128, {0, 300}});
      all.push_back({on, type, 2, 1, 64, {0, 600, 601}});
      all.push_back({on, type, 3, 3, 10, {0, 49, 97, 353}});
      all.push_back({on, type, 2, 2, 16, {0, 290}, 60.0});  // scores of some thousands: one key takes all
    }
  }
  return all;
}

// Softmax attention over all positions with a mask that says document and order. Differentiable.
at::Tensor dense(const at::Tensor& qkv, const Case& c, double scale, at::Tensor* lse) {
  const int64_t t = qkv.size(0), hd = c.head_dim, group = c.heads / c.kv_heads;
  auto part = [&](int64_t begin, int64_t count) {
    return qkv.narrow(1, begin * hd, count * hd).reshape({t, count, hd}).transpose(0, 1);
  };
  at::Tensor k = part(c.heads, c.kv_heads).repeat_interleave(group, 0);
  at::Tensor v = part(c.heads + c.kv_heads, c.kv_heads).repeat_interleave(group, 0);
  at::Tensor document = at::zeros({t}, at::kLong);
  for (size_t d = 1; d + 1 < c.offsets.size(); ++d) {
    if (c.offsets[d] < t) document.slice(0, c.offsets[d]).add_(1);
  }
  at::Tensor hidden = (document.unsqueeze(0) != document.unsqueeze(1)).logical_or(at::ones({t, t}, at::kBool).triu(1));
  at::Tensor scores = at::matmul(part(0, c.heads), k.transpose(1, 2)) * scale;
  scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  if (lse) *lse = scores.detach().logsumexp(2);
  return at::matmul(scores.softmax(2), v).transpose(0, 1).reshape({t, c.heads * hd});
}

class Attention : public ::testing::TestWithParam<Case> {
 protected:
  PoisonedOutputs poisoned_;
  OnDevice on_{GetParam().device};
};

// Leaves NaN in the scratch of the kernels.
void poison_scratch(const at::Tensor& qkv, const at::Tensor& offsets, AttentionShape shape) {
  at::Tensor nan = at::full_like(qkv, std::numeric_limits<double>::quiet_NaN());
  AttentionOut out = attention(nan, offsets, shape);
  attention_grad(out.out, nan, out, offsets, shape);
}

TEST_P(Attention, MatchesDenseMask) {
  const Case& c = GetParam();
  const int64_t t = c.offsets.back();
  const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  const AttentionShape shape{c.heads, c.kv_heads, c.head_dim, scale};
  at::Tensor qkv = random({t, (c.heads + 2 * c.kv_heads) * c.head_dim}, c.type, 1, c.spread);
  at::Tensor dout = random({t, c.heads * c.head_dim}, c.type, 2), offsets = int_tensor(c.offsets).cpu();
  poison_scratch(qkv, offsets, shape);
  at::Tensor reference = leaf(qkv), lse;
  at::Tensor expected = dense(reference, c, scale, &lse);
  AttentionOut out = attention(qkv, offsets, shape);
  // A score is off by about hd roundings of its terms; a probability by as much relative; the output mixes values.
  const double score = static_cast<double>(c.head_dim) * c.spread * c.spread * scale * 4 * 0x1p-24;
  const double relative = 8 * 0x1p-24 + 2 * score;
  const double largest = wide(qkv).abs().max().item<double>();
  at::Tensor bound =
      at::full({}, 2 * largest * relative, at::kDouble) + expected.detach().abs() * unit_roundoff(c.type);
  expect_within(out.out, expected, bound, "out");
  expect_within(out.lse, lse, lse.abs() * (4 * 0x1p-24) + 4 * score + 1e-6, "lse");
  expected.backward(wide(dout));
  at::Tensor dqkv = attention_grad(dout, qkv, out, offsets, shape);
  // bf16: the saved output is rounded, which moves the row projection by one rounding of dout * out.
  const double size = reference.grad().abs().max().item<double>();
  const double factor = c.type == at::kFloat ? 64 * relative : 6 * unit_roundoff(c.type);
  expect_within(dqkv, reference.grad(), at::full({}, factor * (size + 1), at::kDouble), "dqkv");
  // The composition is the same function.
  AttentionOut composed = composition::attention(wide(qkv), offsets, shape);
  expect_within(composed.out, expected, at::full({}, 1e-11 * (1 + largest), at::kDouble), "composition");
  at::Tensor composed_grad = composition::attention_grad(wide(dout), wide(qkv), composed, offsets, shape);
  expect_within(composed_grad, reference.grad(), at::full({}, 1e-10 * (1 + size), at::kDouble), "composition grad");
}

TEST_P(Attention, SameBitsForAnyThreadsAndNeighbours) {
  const Case& c = GetParam();
  const AttentionShape shape{c.heads, c.kv_heads, c.head_dim, 0.25};
  at::Tensor qkv = random({c.offsets.back(), (c.heads + 2 * c.kv_heads) * c.head_dim}, c.type, 3, c.spread);
  at::Tensor offsets = int_tensor(c.offsets).cpu(), dout = random({c.offsets.back(), c.heads * c.head_dim}, c.type, 4);
  at::set_num_threads(2);
  AttentionOut two = attention(qkv, offsets, shape);
  at::Tensor grad_two = attention_grad(dout, qkv, two, offsets, shape);
  at::set_num_threads(1);
  AttentionOut one = attention(qkv, offsets, shape);
  EXPECT_TRUE(same_bits(one.out, two.out) && same_bits(one.lse, two.lse));
  EXPECT_TRUE(same_bits(attention_grad(dout, qkv, one, offsets, shape), grad_two));
  // A document alone gives the bits that it gives among others.
  const int64_t documents = static_cast<int64_t>(c.offsets.size()) - 1, begin = c.offsets[documents - 1];
  const int64_t length = c.offsets[documents] - begin;
  AttentionOut alone =
      attention(qkv.narrow(0, begin, length).contiguous(), int_tensor({0, static_cast<int32_t>(length)}).cpu(), shape);
  EXPECT_TRUE(same_bits(alone.out, one.out.narrow(0, begin, length).contiguous()));
}

INSTANTIATE_TEST_SUITE_P(Cases, Attention, ::testing::ValuesIn(cases()));

TEST(Attention, FiniteDifferences) {
  const AttentionShape shape{2, 1, 4, 0.5};
  at::Tensor offsets = int_tensor({0, 3, 5}), qkv = random({5, 16}, at::kDouble, 5),
             dout = random({5, 8}, at::kDouble, 6);
  auto loss = [&](const at::Tensor& x) {
    return (composition::attention(x, offsets, shape).out * dout).sum().item<double>();
  };
  AttentionOut saved = composition::attention(qkv, offsets, shape);
  at::Tensor grad = composition::attention_grad(dout, qkv, saved, offsets, shape);
  for (int64_t i = 0; i < qkv.numel(); ++i) {
    at::Tensor up = qkv.clone(), down = qkv.clone();
    up.view({-1})[i] += 1e-5;
    down.view({-1})[i] -= 1e-5;
    EXPECT_NEAR((loss(up) - loss(down)) / 2e-5, grad.view({-1})[i].item<double>(), 1e-8) << i;
  }
}

class Decode : public ::testing::TestWithParam<at::DeviceType> {
 protected:
  OnDevice on_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Devices, Decode, ::testing::ValuesIn(devices()),
                         [](const auto& info) { return testing::name(info.param); });

TEST_P(Decode, IsTheLastRowOfAttention) {
  for (at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const AttentionShape shape{4, 2, 16, 0.25};
    const int64_t length = 9;
    at::Tensor qkv = random({length, 8 * 16}, type, 7);
    AttentionOut whole = attention(qkv, int_tensor({0, 9}).cpu(), shape);
    at::Tensor cache = full({1, 12, 2 * 16}, std::numeric_limits<double>::quiet_NaN(), type), values = cache.clone();
    cache.select(0, 0).narrow(0, 0, length).copy_(qkv.narrow(1, 64, 32));
    values.select(0, 0).narrow(0, 0, length).copy_(qkv.narrow(1, 96, 32));
    at::Tensor q = qkv.narrow(0, length - 1, 1).narrow(1, 0, 64).contiguous();
    at::Tensor out = attention_decode(q, cache, values, int_tensor({9}), shape);
    expect_close(out, whole.out.narrow(0, length - 1, 1), type == at::kFloat ? 8 : 1.1, type, "decode");
    EXPECT_THROW(attention_decode(q, cache, values, int_tensor({13}), shape), Error);
    EXPECT_THROW(attention_decode(q, cache, values, int_tensor({0}), shape), Error);
  }
}

TEST(Attention, BadOffsetsAreNamed) {
  at::Tensor qkv = at::zeros({5, 24});
  const AttentionShape shape{1, 1, 8, 1.0};
  EXPECT_THROW(attention(qkv, int_tensor({0, 4}), shape), Error);
  EXPECT_THROW(attention(qkv, int_tensor({1, 5}), shape), Error);
  EXPECT_THROW(attention(qkv, int_tensor({0, 4, 3, 5}), shape), Error);
  EXPECT_THROW(attention(qkv, int_tensor({0, 5}).to(at::kLong), shape), Error);
  EXPECT_THROW(attention(qkv, int_tensor({0, 5}), AttentionShape{3, 2, 8, 1.0}), Error);
}

}  // namespace
}  // namespace plumb::ops
