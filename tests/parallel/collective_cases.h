// What every communicator must do, as functions of one rank: run over threads, over mpirun, over nccl alike. Inputs are
// small integers, so that sums are known exactly in every dtype.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "parallel/communicator.h"

namespace plumb::parallel::cases {

inline at::TensorOptions on(const Communicator& c, at::ScalarType dtype) {
  return at::TensorOptions().dtype(dtype).device(c.device());
}

// Element i of rank r: (i + 3 r) mod 7, at least -3: exact in bf16.
inline at::Tensor values(const Communicator& c, int rank, int64_t elements, at::ScalarType dtype) {
  const at::Tensor index = at::arange(elements, on(c, at::kLong));
  const int64_t shift = dtype == at::kByte ? 0 : 3;
  return (index.add(3 * rank).remainder(7).sub(shift)).to(dtype);
}

inline at::Tensor total(const Communicator& c, int64_t elements, at::ScalarType dtype) {
  at::Tensor sum = at::zeros({elements}, on(c, at::kLong));
  for (int rank = 0; rank < c.size(); ++rank) sum += values(c, rank, elements, dtype).to(at::kLong);
  return sum.to(dtype);
}

// A tensor of the communicator's own memory (a window), or of ordinary memory.
inline at::Tensor buffer(Communicator& c, const at::Tensor& content, bool own_memory) {
  if (!own_memory) return content.clone();
  at::Tensor bytes = c.allocate(static_cast<int64_t>(content.nbytes()));
  EXPECT_EQ(bytes.sum().item<int64_t>(), 0) << "allocate gives zeroed memory";
  at::Tensor tensor = at::from_blob(
      bytes.data_ptr(), content.sizes(), [bytes](void*) {}, content.options());
  tensor.copy_(content);
  return tensor;
}

inline void all_reduce(Communicator& c, int64_t elements, at::ScalarType dtype, bool own_memory) {
  at::Tensor tensor = buffer(c, values(c, c.rank(), elements, dtype), own_memory);
  c.all_reduce(tensor);
  EXPECT_TRUE(at::equal(tensor, total(c, elements, dtype))) << elements << " " << dtype;
  at::Tensor largest = at::full({elements}, c.rank() + 1, on(c, dtype));
  c.all_reduce(largest, {Sum::max});
  EXPECT_TRUE(at::equal(largest, at::full({elements}, c.size(), on(c, dtype))));
}

inline void reduce_scatter(Communicator& c, int64_t part, at::ScalarType dtype, bool own_memory) {
  const int64_t all = part * c.size();
  at::Tensor input = buffer(c, values(c, c.rank(), all, dtype), own_memory);
  const at::Tensor expected = total(c, all, dtype).narrow(0, c.rank() * part, part);
  at::Tensor output = at::full({part}, 99, on(c, dtype));
  c.reduce_scatter(output, input)->wait();
  EXPECT_TRUE(at::equal(output, expected));
  at::Tensor place = input.narrow(0, c.rank() * part, part);  // in place
  c.reduce_scatter(place, input)->wait();
  EXPECT_TRUE(at::equal(place, expected));
}

inline void all_gather(Communicator& c, int64_t part, at::ScalarType dtype, bool own_memory) {
  at::Tensor expected = at::empty({part * c.size()}, on(c, dtype));
  for (int rank = 0; rank < c.size(); ++rank) expected.narrow(0, rank * part, part).copy_(values(c, rank, part, dtype));
  at::Tensor input = buffer(c, values(c, c.rank(), part, dtype), own_memory);
  at::Tensor output = at::full({part * c.size()}, 99, on(c, dtype));
  c.all_gather(output, input)->wait();
  EXPECT_TRUE(at::equal(output, expected));
  at::Tensor slot = buffer(c, at::full({part * c.size()}, 99, on(c, dtype)), own_memory);
  at::Tensor own = slot.narrow(0, c.rank() * part, part);
  own.copy_(input);
  c.all_gather(slot, own)->wait();  // in place
  EXPECT_TRUE(at::equal(slot, expected));
}

inline void broadcast(Communicator& c, int64_t elements) {
  for (int root = 0; root < c.size(); ++root) {
    at::Tensor tensor = values(c, c.rank(), elements, at::kFloat);
    c.broadcast(tensor, root);
    EXPECT_TRUE(at::equal(tensor, values(c, root, elements, at::kFloat)));
  }
}

// Rank r sends (r + p) mod 3 * scale + p elements of value 100 r + p to rank p.
inline void uneven_all_to_all(Communicator& c, int64_t scale) {
  const auto count = [&](int from, int to) { return int64_t{(from + to) % 3} * scale + to; };
  std::vector<int64_t> sends, receives;
  std::vector<at::Tensor> input, expected;
  for (int peer = 0; peer < c.size(); ++peer) {
    sends.push_back(count(c.rank(), peer));
    receives.push_back(count(peer, c.rank()));
    input.push_back(at::full({sends.back()}, 100 * c.rank() + peer, on(c, at::kInt)));
    expected.push_back(at::full({receives.back()}, 100 * peer + c.rank(), on(c, at::kInt)));
  }
  const at::Tensor wanted = at::cat(expected);
  at::Tensor output = at::full_like(wanted, -1);
  c.all_to_all(output, at::cat(input), receives, sends);
  EXPECT_TRUE(at::equal(output, wanted));
}

// Everybody receives before it sends, in another order than its peers, and waits in reverse.
inline void exchange_in_any_order(Communicator& c, int64_t elements) {
  std::vector<at::Tensor> inbox;
  std::vector<PendingPtr> pending;
  for (int step = 0; step < c.size(); ++step) {
    const int peer = (c.rank() * 2 + step) % c.size();
    inbox.push_back(at::full({elements}, -1, on(c, at::kFloat)));
    pending.push_back(c.exchange({}, {{peer, inbox.back()}}));
  }
  std::vector<Transfer> sends;
  for (int peer = c.size() - 1; peer >= 0; --peer) {
    sends.push_back({peer, at::full({elements}, 10 * c.rank() + peer, on(c, at::kFloat))});
  }
  pending.push_back(c.exchange(sends, {}));
  for (auto p = pending.rbegin(); p != pending.rend(); ++p) (*p)->wait();
  for (int step = 0; step < c.size(); ++step) {
    const int peer = (c.rank() * 2 + step) % c.size();
    EXPECT_TRUE(
        at::equal(inbox[static_cast<size_t>(step)], at::full({elements}, 10 * peer + c.rank(), on(c, at::kFloat))));
  }
}

// Two messages to one peer arrive in the order of sending.
inline void exchange_keeps_order(Communicator& c) {
  const int to = (c.rank() + 1) % c.size(), from = (c.rank() + c.size() - 1) % c.size();
  at::Tensor first = at::zeros({3}, on(c, at::kFloat)), second = at::zeros({3}, on(c, at::kFloat));
  c.exchange({{to, at::full({3}, 1.0f, on(c, at::kFloat))}, {to, at::full({3}, 2.0f, on(c, at::kFloat))}},
             {{from, first}, {from, second}})
      ->wait();
  EXPECT_EQ(first.sum().item<float>(), 3.0f);
  EXPECT_EQ(second.sum().item<float>(), 6.0f);
}

inline void split(Communicator& c) {
  // Odd and even ranks, in reverse order.
  const auto half = c.split(c.rank() % 2, -c.rank());
  const int members = c.rank() % 2 == 0 ? (c.size() + 1) / 2 : c.size() / 2;
  ASSERT_EQ(half->size(), members);
  EXPECT_EQ(half->rank(), members - 1 - c.rank() / 2);
  EXPECT_EQ(all_reduce_value(*half, int64_t{c.rank()}),
            c.rank() % 2 == 0 ? int64_t{members} * (members - 1) : int64_t{members} * members);
  const auto none = c.split(c.rank() == 0 ? -1 : 5, 0);
  EXPECT_EQ(none == nullptr, c.rank() == 0);
  if (none) {
    EXPECT_EQ(none->size(), c.size() - 1);
  }
  all_reduce(*half, 1000, at::kFloat, true);
}

inline void helpers(Communicator& c) {
  EXPECT_EQ(all_reduce_value(c, 0.5 + c.rank()), 0.5 * c.size() + c.size() * (c.size() - 1) / 2.0);
  EXPECT_EQ(all_reduce_value(c, int64_t{1} << 40), (int64_t{1} << 40) * c.size());
  EXPECT_EQ(all_reduce_value(c, int64_t{c.rank()}, Sum::max), c.size() - 1);
  const std::string text(static_cast<size_t>(c.rank()) * 1000, static_cast<char>('a' + c.rank()));
  const auto all = gather_strings(c, text);
  for (int rank = 0; rank < c.size(); ++rank) {
    EXPECT_EQ(all[static_cast<size_t>(rank)],
              std::string(static_cast<size_t>(rank) * 1000, static_cast<char>('a' + rank)));
  }
  const int last = c.size() - 1;
  EXPECT_EQ(broadcast_string(c, c.rank() == last ? "from the last" : "x", last), "from the last");
  EXPECT_EQ(broadcast_string(c, "", 0), "");
}

// fp32 values that bf16 cannot hold: rounded before they are added in fp32, once and not at every hop.
inline void bf16_wire(Communicator& c) {
  const float value = 1.0f + 1.0f / 256 + 1.0f / 1024;  // rounds to 1 + 1/128
  at::Tensor tensor = at::full({1000}, value, on(c, at::kFloat));
  c.all_reduce(tensor, {Sum::sum, at::kBFloat16, at::kFloat});
  const float expected = c.size() == 1 ? value : static_cast<float>(c.size()) * (1.0f + 1.0f / 128);
  EXPECT_TRUE(at::equal(tensor, at::full({1000}, expected, on(c, at::kFloat))));
  // bf16 tensors are added in fp32: 256 + 1 + 1 is 258, where bf16 sums would stay at 256.
  at::Tensor narrow = at::full({100}, c.rank() == 0 ? 256.0f : 1.0f, on(c, at::kBFloat16));
  c.all_reduce(narrow);
  const float sum = at::full({1}, 255.0f + static_cast<float>(c.size()), at::kBFloat16).to(at::kFloat).item<float>();
  EXPECT_TRUE(at::equal(narrow.to(at::kFloat), at::full({100}, sum, on(c, at::kFloat))));
}

// Bits do not depend on the run or the rank: ((r0 + r1) + r2) + ... in fp32.
inline void order_of_ranks(Communicator& c, bool own_memory) {
  const auto part = [&](int rank) {
    const at::Tensor index = at::arange(5000, on(c, at::kDouble));
    return at::sin(index.add(rank * 7919)).mul(std::pow(10.0, rank)).to(at::kFloat);
  };
  at::Tensor expected = part(0);
  for (int rank = 1; rank < c.size(); ++rank) expected = expected + part(rank);
  at::Tensor tensor = buffer(c, part(c.rank()), own_memory);
  c.all_reduce(tensor);
  EXPECT_TRUE(at::equal(tensor, expected));
}

inline void everything(Communicator& c) {
  for (const bool own : {true, false}) {
    for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{3}, int64_t{64}, int64_t{1000}, int64_t{70001}}) {
      for (const at::ScalarType dtype :
           {at::kFloat, at::kBFloat16, at::kDouble, at::kLong, at::kInt, at::kByte, at::kHalf}) {
        all_reduce(c, n, dtype, own);
      }
      reduce_scatter(c, n, at::kFloat, own);
      reduce_scatter(c, n, at::kBFloat16, own);
      all_gather(c, n, at::kFloat, own);
      all_gather(c, n, at::kByte, own);
    }
    order_of_ranks(c, own);
  }
  broadcast(c, 70001);
  uneven_all_to_all(c, 1);
  uneven_all_to_all(c, 30000);
  exchange_in_any_order(c, 5);
  exchange_in_any_order(c, 100000);
  exchange_keeps_order(c);
  bf16_wire(c);
  helpers(c);
  split(c);
  c.barrier();
}

}  // namespace plumb::parallel::cases
