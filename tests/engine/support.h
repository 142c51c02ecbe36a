// Small models, random packed batches, and ranks as threads, for the tests of the engine.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/philox.h"
#include "data/batch.h"
#include "parallel/bucket.h"
#include "parallel/mesh.h"
#include "parallel/one_communicator.h"
#include "parallel/threads_communicator.h"
#include "trainer/engine/engine.h"

namespace plumb::engine::testing {

inline constexpr double kUnit = 0x1p-24;  // unit roundoff of fp32

inline model::ModelSpec tiny_spec(bool tied = false) {
  model::ModelSpec spec;
  spec.vocab_size = 67, spec.hidden_size = 32, spec.intermediate_size = 48, spec.num_hidden_layers = 2;
  spec.num_attention_heads = 4, spec.num_key_value_heads = 2, spec.head_dim = 8, spec.max_position_embeddings = 64;
  spec.tie_word_embeddings = tied;
  spec.initializer_range = 0.15;  // large enough that every part of the model matters
  return spec;
}

inline EngineOptions tiny_options(bool tied = false) {
  EngineOptions options;
  options.spec = tiny_spec(tied);
  options.sequence_length = 24;
  options.micro_batch_size = 2;
  options.weight_decay = 0.1;
  return options;
}

// Row `row` of an endless random corpus: documents of uneven length, some positions without a loss, padding at the end
// of every third row. Always the same for the same number.
inline void append_row(data::Batch& batch, uint64_t row, const EngineOptions& options) {
  const auto random = [&](uint64_t i) { return core::philox(99, row, i).x[0]; };
  const auto length = static_cast<int32_t>(options.sequence_length);
  if (batch.rows == 0) batch.sequence_length = length, batch.doc_offsets = {0};
  const int32_t base = static_cast<int32_t>(batch.rows) * length;
  const int32_t used = row % 3 == 2 ? length - 5 : length;
  int32_t position = 0, left = 1 + static_cast<int32_t>(random(1000) % 12);
  for (int32_t t = 0; t < length; ++t) {
    const bool seam = t + 1 == used || t + 1 == length || left == 1;
    const bool padding = t >= used;
    batch.ids.push_back(padding ? 0 : static_cast<int32_t>(random(static_cast<uint64_t>(t)) % 67));
    const auto next = static_cast<int32_t>(random(static_cast<uint64_t>(t) + 1) % 67);
    const bool trained = !padding && !seam && random(static_cast<uint64_t>(t) + 500) % 5 != 0;
    batch.labels.push_back(trained ? next : data::kNoLabel);
    batch.loss_weight.push_back(trained ? (t % 7 == 3 ? 0.5f : 1.0f) : 0.0f);
    batch.positions.push_back(position++);
    if (seam) {
      batch.doc_offsets.push_back(base + t + 1);
      batch.sample_ids.push_back(row * 100 + static_cast<uint64_t>(t));
      position = 0, left = 1 + static_cast<int32_t>(random(static_cast<uint64_t>(t) + 1001) % 12);
    } else {
      --left;
    }
  }
  batch.row_ids.push_back(row);
  batch.group_ids.push_back(static_cast<int32_t>(batch.rows));
  ++batch.rows;
}

// Rows [begin, end) in micro-batches of `micro` rows.
inline std::vector<data::Batch> batches(const EngineOptions& options, uint64_t begin, uint64_t end, uint64_t micro) {
  std::vector<data::Batch> out;
  for (uint64_t first = begin; first < end; first += micro) {
    data::Batch batch;
    for (uint64_t row = first; row < std::min(end, first + micro); ++row) append_row(batch, row, options);
    out.push_back(std::move(batch));
  }
  return out;
}

inline std::unique_ptr<Engine> one_rank(const EngineOptions& options) {
  auto world = parallel::make_one(at::kCPU, "here");
  auto engine = Engine::make(options, parallel::make_mesh(world, {}), at::kCPU);
  engine->initialise(options.seed);
  return engine;
}

// Runs `body(rank, mesh)` on as many threads; the first exception is thrown again here.
inline void on_ranks(int ranks, parallel::MeshShape shape,
                     const std::function<void(int, const parallel::Mesh&)>& body) {
  const auto communicators = parallel::make_thread_communicators(ranks);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      const auto& communicator = communicators[static_cast<size_t>(rank)];
      try {
        body(rank, parallel::make_mesh(communicator, shape));
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
        communicator->abort(70, error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

inline parallel::MeshShape sharded(int ranks) {
  parallel::MeshShape shape;
  shape.shard = ranks;
  return shape;
}

inline std::vector<model::ParameterInfo> parameters(const EngineOptions& options) {
  return model::parameters(options.spec, options.lora, options.new_rows);
}

inline std::map<std::string, at::Tensor> gradients(Engine& engine) {
  std::map<std::string, at::Tensor> out;
  for (const auto& info : parameters(engine.options())) {
    if (info.trainable) out[info.name] = engine.gradient(info.name).clone();
  }
  return out;
}

// ||a - b|| / ||b||, in fp64.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const double norm = y.norm().item<double>();
  return (x - y).norm().item<double>() / (norm > 0 ? norm : 1);
}

// Rounding errors of a chain of `depth` fp32 layers, each a sum of up to `terms` products with errors of random sign:
// every layer adds about sqrt(terms) units, and a layer's condition number near one passes on what came before
// (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1 and rule of thumb 2.8). Four for the constants.
inline double gradient_bound(const EngineOptions& options, int64_t rows) {
  const double depth = 2.0 * (7.0 * static_cast<double>(options.spec.num_hidden_layers) + 4.0);
  const double terms = static_cast<double>(std::max(rows * options.sequence_length, options.spec.intermediate_size));
  return 4.0 * depth * std::sqrt(terms) * kUnit;
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) { return a.sizes() == b.sizes() && at::equal(a, b); }

}  // namespace plumb::engine::testing
