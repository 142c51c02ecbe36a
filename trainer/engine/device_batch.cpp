#include <ATen/ATen.h>

#include "core/error.h"
#include "core/philox.h"
#include "trainer/engine/objective.h"

namespace plumb::engine {

namespace {

void require(bool good, const std::string& message) {
  if (!good)
    fail_input("batch", message, "the batch does not fit the model: rebuild the dataset or check the tokenizer");
}

void check(const data::Batch& batch, int64_t vocab_size) {
  const auto tokens = static_cast<size_t>(batch.tokens());
  require(batch.rows > 0 && batch.sequence_length > 0, "no rows");
  require(batch.ids.size() == tokens && batch.labels.size() == tokens && batch.loss_weight.size() == tokens &&
              batch.positions.size() == tokens,
          "the arrays differ in length");
  require(batch.row_ids.size() == static_cast<size_t>(batch.rows), "row_ids does not name every row");
  const auto& offsets = batch.doc_offsets;
  require(offsets.size() >= 2 && offsets.front() == 0 && offsets.back() == batch.tokens(),
          "doc_offsets has no valid ends");
  for (size_t d = 1; d < offsets.size(); ++d) require(offsets[d] > offsets[d - 1], "doc_offsets is not increasing");
  for (size_t t = 0; t < tokens; ++t) {
    if (batch.ids[t] < 0 || batch.ids[t] >= vocab_size || batch.labels[t] < data::kNoLabel ||
        batch.labels[t] >= vocab_size) {
      require(false, "token " + std::to_string(std::max(batch.ids[t], batch.labels[t])) + " in a vocabulary of " +
                         std::to_string(vocab_size));
    }
    if (batch.positions[t] < 0 || batch.positions[t] >= batch.sequence_length) {
      require(false, "position " + std::to_string(batch.positions[t]) + " in rows of " +
                         std::to_string(batch.sequence_length));
    }
  }
}

// The tensor only reads: no op writes into ids, labels, positions or weights.
template <class T>
at::Tensor view(const std::vector<T>& values, at::ScalarType dtype, at::Device device) {
  const at::Tensor tensor =
      at::from_blob(const_cast<T*>(values.data()), {static_cast<int64_t>(values.size())}, at::TensorOptions(dtype));
  return device.is_cpu() ? tensor : tensor.to(device);
}

}  // namespace

DeviceBatch to_device(const data::Batch& batch, int64_t vocab_size, at::Device device,
                      std::optional<uint64_t> dropout_seed, int64_t step) {
  check(batch, vocab_size);
  DeviceBatch out;
  out.host = &batch;
  out.ids = view(batch.ids, at::kInt, device);
  out.labels = view(batch.labels, at::kInt, device);
  out.positions = view(batch.positions, at::kInt, device);
  out.loss_weight = view(batch.loss_weight, at::kFloat, device);
  out.doc_offsets = view(batch.doc_offsets, at::kInt, at::kCPU);
  if (!dropout_seed) return out;
  const at::Tensor keys = at::empty({batch.tokens()}, at::kLong);
  int64_t* const key = keys.mutable_data_ptr<int64_t>();
  const uint64_t stream = core::random_key(*dropout_seed, core::RandomPurpose::dropout);
  for (int64_t row = 0; row < batch.rows; ++row) {
    const core::Philox4 mixed =
        core::philox(stream, static_cast<uint64_t>(step), batch.row_ids[static_cast<size_t>(row)]);
    const uint64_t row_key = (uint64_t{mixed.x[0]} << 32) | mixed.x[1];
    for (int64_t place = 0; place < batch.sequence_length; ++place) {
      const core::Philox4 bits = core::philox(row_key, static_cast<uint64_t>(place), 0);
      key[row * batch.sequence_length + place] = static_cast<int64_t>((uint64_t{bits.x[0]} << 32) | bits.x[1]);
    }
  }
  out.row_keys = keys.to(device);
  return out;
}

}  // namespace plumb::engine
