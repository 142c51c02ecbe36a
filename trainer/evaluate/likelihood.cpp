#include "trainer/evaluate/likelihood.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "trainer/evaluate/ranks.h"

namespace plumb::evaluate {
namespace {

constexpr size_t kOpenRows = 64;  // rows that a window may still go into: bounds the search

void add_document(data::Batch& batch, int64_t begin, int64_t count, uint64_t id) {
  for (int64_t i = 0; i < count; ++i) batch.positions[static_cast<size_t>(begin + i)] = static_cast<int32_t>(i);
  batch.doc_offsets.push_back(static_cast<int32_t>(begin + count));
  batch.sample_ids.push_back(id);
}

}  // namespace

std::vector<PlannedBatch> plan_batches(const std::vector<Sequence>& sequences, int64_t rows, int64_t length) {
  std::vector<std::vector<Window>> packed;
  std::vector<int64_t> room;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const int64_t inputs = static_cast<int64_t>(sequences[s].ids.size()) - 1;
    for (int64_t begin = 0; begin < inputs; begin += length) {
      const int64_t count = std::min(length, inputs - begin);
      size_t row = packed.size() > kOpenRows ? packed.size() - kOpenRows : 0;
      while (row < packed.size() && room[row] < count) ++row;
      if (row == packed.size()) {
        packed.emplace_back();
        room.push_back(length);
      }
      packed[row].push_back({s, begin, count});
      room[row] -= count;
    }
  }
  std::vector<PlannedBatch> batches;
  for (size_t row = 0; row < packed.size(); ++row) {
    if (row % static_cast<size_t>(rows) == 0) batches.emplace_back();
    batches.back().rows.push_back(std::move(packed[row]));
  }
  return batches;
}

data::Batch make_batch(const PlannedBatch& plan, const std::vector<Sequence>& sequences, int64_t rows, int64_t length) {
  data::Batch batch;
  batch.rows = rows;
  batch.sequence_length = length;
  const auto total = static_cast<size_t>(rows * length);
  batch.ids.assign(total, 0);
  batch.labels.assign(total, data::kNoLabel);
  batch.loss_weight.assign(total, 0);
  batch.positions.assign(total, 0);
  batch.doc_offsets.push_back(0);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = row * length;
    const int64_t end = at + length;
    if (static_cast<size_t>(row) < plan.rows.size()) {
      for (const auto& window : plan.rows[static_cast<size_t>(row)]) {
        const auto& sequence = sequences[window.sequence];
        for (int64_t i = 0; i < window.count; ++i) {
          const auto from = static_cast<size_t>(window.begin + i), to = static_cast<size_t>(at + i);
          batch.ids[to] = sequence.ids[from];
          if (sequence.weight[from + 1] == 0) continue;
          batch.labels[to] = sequence.ids[from + 1];
          batch.loss_weight[to] = 1;
        }
        add_document(batch, at, window.count, window.sequence);
        at += window.count;
      }
    }
    if (at < end) add_document(batch, at, end - at, ~uint64_t{0});
    batch.row_ids.push_back(static_cast<uint64_t>(row));
    batch.group_ids.push_back(static_cast<int32_t>(row));
  }
  return batch;
}

std::vector<double> log_likelihoods(engine::Engine& engine, parallel::Communicator& ranks,
                                    const std::vector<Sequence>& sequences) {
  const int64_t rows = engine.options().micro_batch_size, length = engine.options().sequence_length;
  const auto batches = plan_batches(sequences, rows, length);
  std::vector<size_t> first_window{0};  // of each batch, so that a window has one slot that one rank fills
  for (const auto& batch : batches) {
    size_t count = 0;
    for (const auto& row : batch.rows) count += row.size();
    first_window.push_back(first_window.back() + count);
  }
  std::vector<double> by_window(first_window.back(), 0.0);
  const auto size = static_cast<size_t>(ranks.size()), me = static_cast<size_t>(ranks.rank());
  for (size_t turn = 0; turn * size < batches.size(); ++turn) {
    const size_t mine = turn * size + me;
    // A rank without a batch in the last turn runs an empty one: with sharded weights a forward pass is collective.
    const PlannedBatch plan = mine < batches.size() ? batches[mine] : PlannedBatch{};
    const at::Tensor logprob = engine.forward(make_batch(plan, sequences, rows, length)).contiguous();
    size_t slot = mine < batches.size() ? first_window[mine] : 0;
    for (size_t row = 0; row < plan.rows.size(); ++row) {
      const float* values = logprob.const_data_ptr<float>() + static_cast<int64_t>(row) * length;
      for (const auto& window : plan.rows[row]) {
        for (int64_t i = 0; i < window.count; ++i) {
          const float weight = sequences[window.sequence].weight[static_cast<size_t>(window.begin + i + 1)];
          if (weight != 0) by_window[slot] += static_cast<double>(weight) * values[i];
        }
        values += window.count;
        ++slot;
      }
    }
  }
  sum_over_ranks(ranks, by_window);
  std::vector<double> sums(sequences.size(), 0.0);
  size_t slot = 0;
  for (const auto& batch : batches) {
    for (const auto& row : batch.rows) {
      for (const auto& window : row) sums[window.sequence] += by_window[slot++];
    }
  }
  for (const double sum : sums) {
    if (!std::isfinite(sum)) {
      throw Error(ExitCode::numerics, "the model gives probabilities that are not finite", "evaluation",
                  "the weights are damaged or the training diverged; use an earlier step");
    }
  }
  return sums;
}

}  // namespace plumb::evaluate
