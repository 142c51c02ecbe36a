// 1, 2 and 4 ranks, ZeRO 0 to 3, whole and uneven: the same training.
#include <mutex>

#include "support.h"
#include "trainer/engine/model_state.h"

namespace plumb::engine::testing {
namespace {

constexpr uint64_t kGlobalRows = 8;
constexpr int kSteps = 10;

struct Training {
  std::map<std::string, at::Tensor> gradients;  // of step 1
  std::vector<double> losses, norms;
};

std::vector<data::Batch> share(const EngineOptions& options, uint64_t step, int rank, int ranks, uint64_t micro) {
  const uint64_t rows = kGlobalRows / static_cast<uint64_t>(ranks);
  const uint64_t begin = step * kGlobalRows + rows * static_cast<uint64_t>(rank);
  return batches(options, begin, begin + rows, micro);
}

Training train(const EngineOptions& options, int ranks, parallel::MeshShape shape, uint64_t micro) {
  Training run;
  std::mutex mutex;
  on_ranks(ranks, shape, [&](int rank, const parallel::Mesh& mesh) {
    auto engine = Engine::make(options, mesh, at::kCPU);
    engine->initialise(options.seed);
    for (uint64_t step = 0; step < kSteps; ++step) {
      const auto part = share(options, step, mesh.data_rank(), ranks, micro);
      const StepResult result = engine->step(part, *cross_entropy(), 3e-3);
      auto first = step == 0 ? gradients(*engine) : std::map<std::string, at::Tensor>{};
      const std::scoped_lock lock(mutex);
      if (rank != 0) continue;  // all ranks report the same
      run.losses.push_back(result.loss), run.norms.push_back(result.grad_norm);
      if (step == 0) run.gradients = std::move(first);
    }
  });
  return run;
}

void expect_same_training(const EngineOptions& options, const Training& run, const Training& plain,
                          const std::string& what) {
  const double bound = 2 * gradient_bound(options, static_cast<int64_t>(kGlobalRows));
  for (const auto& [name, gradient] : plain.gradients) {
    EXPECT_LT(relative_error(run.gradients.at(name), gradient), bound) << what << " " << name;
  }
  for (size_t step = 0; step < plain.losses.size(); ++step) {
    EXPECT_NEAR(run.losses[step], plain.losses[step], 1e-6 * plain.losses[step]) << what << " step " << step;
    EXPECT_NEAR(run.norms[step], plain.norms[step], 1e-4 * plain.norms[step]) << what << " step " << step;
  }
}

TEST(Ranks, EveryZeroStageTrainsTheSame) {
  for (const bool tied : {false, true}) {
    EngineOptions options = tiny_options(tied);
    const Training plain = train(options, 1, sharded(1), kGlobalRows);
    ASSERT_LT(plain.losses.back(), plain.losses.front() + 0.5);
    for (const int ranks : {2, 4}) {
      for (options.zero = 0; options.zero < 4; ++options.zero) {
        expect_same_training(options, train(options, ranks, sharded(ranks), 1), plain,
                             std::to_string(ranks) + " ranks, zero " + std::to_string(options.zero));
      }
    }
  }
}

TEST(Ranks, ReplicasOfShardsAndLora) {
  EngineOptions options = tiny_options(true);
  parallel::MeshShape hybrid;
  hybrid.data = 2, hybrid.shard = 2;
  const Training plain = train(options, 1, sharded(1), 4);
  for (options.zero = 0; options.zero < 4; ++options.zero) {
    expect_same_training(options, train(options, 4, hybrid, 1), plain, "hybrid, zero " + std::to_string(options.zero));
  }
  options.lora = model::LoraSpec{2, 4, 0.1, {"q_proj", "v_proj", "down_proj"}};
  options.zero = 0;
  const Training lora = train(options, 1, sharded(1), 4);
  for (const int zero : {1, 3}) {
    options.zero = zero;
    expect_same_training(options, train(options, 2, sharded(2), 2), lora, "lora, zero " + std::to_string(zero));
  }
}

TEST(Ranks, NewRowsAlone) {
  for (const bool tied : {false, true}) {
    EngineOptions options = tiny_options(tied);
    options.new_rows = 40;
    const Training plain = train(options, 1, sharded(1), kGlobalRows);
    for (const int ranks : {2, 4}) {
      for (options.zero = 0; options.zero < 4; ++options.zero) {
        expect_same_training(options, train(options, ranks, sharded(ranks), 1), plain,
                             std::to_string(ranks) + " ranks, zero " + std::to_string(options.zero));
      }
    }
  }
}

TEST(Ranks, Bf16FollowsFp32) {
  EngineOptions options = tiny_options(false);
  const Training plain = train(options, 1, sharded(1), 4);
  options.precision = "bf16";
  for (const int zero : {0, 2, 3}) {
    options.zero = zero;
    const Training run = train(options, 2, sharded(2), 2);
    for (size_t step = 0; step < run.losses.size(); ++step) {
      EXPECT_NEAR(run.losses[step], plain.losses[step], 0.03 * plain.losses[step]) << zero << " step " << step;
    }
  }
}

TEST(Ranks, UnevenMicroBatches) {
  EngineOptions options = tiny_options(true);
  auto alone = one_rank(options);
  const StepResult expected = alone->step(batches(options, 0, 7, 1), *cross_entropy(), 1e-3);
  const auto gradient = gradients(*alone);
  for (options.zero = 0; options.zero < 4; ++options.zero) {
    on_ranks(4, sharded(4), [&](int rank, const parallel::Mesh& mesh) {
      auto engine = Engine::make(options, mesh, at::kCPU);
      engine->initialise(options.seed);
      const uint64_t begins[] = {0, 3, 5, 5, 7};  // 3, 2, 0 and 2 micro-batches
      const auto part = batches(options, begins[rank], begins[rank + 1], 1);
      const StepResult result = engine->step(part, *cross_entropy(), 1e-3);
      EXPECT_NEAR(result.loss, expected.loss, 1e-6 * expected.loss);
      EXPECT_EQ(result.tokens, expected.tokens);
      EXPECT_DOUBLE_EQ(result.trained, expected.trained);
      for (const auto& [name, mine] : gradients(*engine)) {
        EXPECT_LT(relative_error(mine, gradient.at(name)), 2 * gradient_bound(options, 7)) << name;
      }
      const EvalResult evaluated = engine->evaluate(part);
      EXPECT_EQ(evaluated.tokens, 7 * options.sequence_length);
    });
  }
}

TEST(Ranks, StateBytesAsAllocated) {
  EngineOptions options = tiny_options(true);
  options.spec.hidden_size = 128, options.spec.head_dim = 32, options.spec.intermediate_size = 256;
  const auto parameters = static_cast<double>(model::parameter_count(options.spec));
  for (const int ranks : {1, 2, 4}) {
    const double n = ranks;
    const double expected[] = {16, 8 + 8 / n, 4 + 12 / n, 16 / n};
    for (options.zero = 0; options.zero < 4; ++options.zero) {
      on_ranks(ranks, sharded(ranks), [&](int, const parallel::Mesh& mesh) {
        model::ParameterTable table(model::parameters(options.spec));
        ModelState state(options, mesh, table);
        std::map<void*, int64_t> allocated;  // storages counted once: views share them
        for (const parallel::Bucket& bucket : state.buckets()) {
          for (const at::Tensor& tensor :
               {bucket.weights(), bucket.master(), bucket.gradient(), bucket.moment1(), bucket.moment2()}) {
            allocated[tensor.storage().data_ptr().get()] = static_cast<int64_t>(tensor.storage().nbytes());
          }
        }
        int64_t bytes = 0;
        for (const auto& [address, size] : allocated) bytes += size;
        const double wanted = ranks == 1 ? 16 : expected[options.zero];
        EXPECT_NEAR(static_cast<double>(bytes) / parameters, wanted, 0.02 * wanted)
            << ranks << " zero " << options.zero;
        EXPECT_EQ(bytes, plan_memory(options, ranks, 1).state_bytes());
      });
    }
  }
}

TEST(Ranks, TheRegistryCoversEachElementOnce) {
  for (int zero = 0; zero < 4; ++zero) {
    EngineOptions options = tiny_options(true);
    options.zero = zero;
    std::mutex mutex;
    std::map<std::string, std::vector<int>> seen;
    on_ranks(4, sharded(4), [&](int, const parallel::Mesh& mesh) {
      auto engine = Engine::make(options, mesh, at::kCPU);
      engine->initialise(7);
      for (const StatePart& part : engine->state().parts) {
        const std::scoped_lock lock(mutex);
        auto& counts = seen[part.key()];
        int64_t numel = 1;
        for (const int64_t extent : part.shape) numel *= extent;
        counts.resize(static_cast<size_t>(numel), 0);
        EXPECT_EQ(part.data.numel(), part.end - part.begin);
        EXPECT_EQ(part.data.scalar_type(), at::kFloat);
        EXPECT_TRUE(part.data.is_contiguous());
        for (int64_t e = part.begin; e < part.end; ++e) ++counts[static_cast<size_t>(e)];
      }
    });
    EXPECT_EQ(seen.size(), 3 * model::parameters(options.spec).size());
    for (const auto& [key, counts] : seen) {
      for (const int count : counts) ASSERT_EQ(count, 1) << key << " zero " << zero;
    }
  }
}

TEST(Ranks, StateMovesToAnotherNumberOfRanks) {
  EngineOptions options = tiny_options(true);
  options.precision = "bf16";
  // Two ranks train; every part is copied out by (name, role, range); four and one go on from it.
  std::mutex mutex;
  std::map<std::string, at::Tensor> stored;
  nlohmann::ordered_json values;
  double expected = 0;
  options.zero = 2;
  on_ranks(2, sharded(2), [&](int rank, const parallel::Mesh& mesh) {
    auto engine = Engine::make(options, mesh, at::kCPU);
    engine->initialise(options.seed);
    for (uint64_t step = 0; step < 3; ++step) engine->step(share(options, step, rank, 2, 2), *cross_entropy(), 1e-2);
    {
      const std::scoped_lock lock(mutex);
      for (const StatePart& part : engine->state().parts) {
        at::Tensor& whole = stored[part.key()];
        if (!whole.defined()) whole = at::zeros(part.shape).view(-1);
        whole.narrow(0, part.begin, part.end - part.begin).copy_(part.data);
      }
      values = engine->state().values;
    }
    mesh.world->barrier();
    engine->step(share(options, 3, rank, 2, 2), *cross_entropy(), 1e-2);
    const double loss = engine->step(share(options, 4, rank, 2, 2), *cross_entropy(), 1e-2).loss;
    if (rank == 0) expected = loss;
  });
  for (const int ranks : {1, 4}) {
    for (options.zero = 0; options.zero < 4; ++options.zero) {
      on_ranks(ranks, sharded(ranks), [&](int rank, const parallel::Mesh& mesh) {
        auto engine = Engine::make(options, mesh, at::kCPU);
        for (StatePart& part : engine->state().parts) {
          part.data.copy_(stored.at(part.key()).narrow(0, part.begin, part.end - part.begin));
        }
        engine->state().values = values;
        engine->state().after_load();
        engine->step(share(options, 3, rank, ranks, 2), *cross_entropy(), 1e-2);
        const double loss = engine->step(share(options, 4, rank, ranks, 2), *cross_entropy(), 1e-2).loss;
        EXPECT_NEAR(loss, expected, 2e-3 * expected) << ranks << " ranks, zero " << options.zero;
      });
    }
  }
}

}  // namespace
}  // namespace plumb::engine::testing
