#include "trainer/jobs/model_engine.h"

#include <algorithm>

#include "parallel/mesh.h"
#include "trainer/ops/cpu_features.h"
#include "trainer/run/device.h"

namespace plumb::commands {

std::unique_ptr<engine::Engine> make_forward_engine(const exporting::OpenedModel& model, const config::Config& config,
                                                    const run::Place& place, parallel::CommunicatorPtr world,
                                                    int64_t sequence_length) {
  const auto mesh = parallel::make_mesh(world, parallel::resolve_mesh({.data = 1, .shard = 0}, world->size()));
  engine::EngineOptions options;
  options.spec = model.spec;
  const bool bf16 = place.device.is_cuda() || ops::cpu_features().amx_bf16;
  options.precision = config.train.precision != "auto" ? config.train.precision : bf16 ? "bf16" : "fp32";
  options.zero = world->size() > 1 ? static_cast<int>(config.parallel.zero.value_or(0)) : 0;
  options.sequence_length = sequence_length;
  options.optimizer = false;
  // Longer batches than this gain nothing; on a GPU a few rows more keep it busy.
  const int64_t useful = std::max<int64_t>(1, (place.device.is_cuda() ? 65536 : 4096) / sequence_length);
  const int64_t limit = config.parallel.memory_limit.value_or(run::agreed_memory(place, *world));
  const int64_t largest = engine::largest_micro_batch(options, mesh.shard->size(), limit, useful);
  options.micro_batch_size = std::clamp<int64_t>(largest, 1, useful);
  auto engine = engine::Engine::make(options, mesh, place.device);
  engine->load(*model.weights);
  return engine;
}

}  // namespace plumb::commands
