#include "trainer/run/choices.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/ops/cpu_features.h"
#include "trainer/run/device.h"

namespace plumb::run {

namespace {

// What the resumed run had decided for a key that stands on auto now; empty when there is none.
struct Remembered {
  std::optional<config::Loaded> run;
  bool same_ranks = false;
};

Remembered remember(const config::Loaded& loaded, const FolderState& state, int ranks) {
  Remembered remembered;
  if (!state.exists) return remembered;
  const auto purpose = loaded.config.model.base.empty() ? config::Purpose::train : config::Purpose::tune;
  remembered.run =
      config::load_config_text(state.resolved_yaml, "resolved.yaml", loaded.config.output.folder, {}, purpose);
  remembered.same_ranks = state.manifest.value("ranks", 0) == ranks;
  return remembered;
}

std::string choose_precision(const config::Loaded& loaded, const Remembered& remembered, const Place& place) {
  if (loaded.config.train.precision != "auto") return loaded.config.train.precision;
  if (remembered.run && remembered.run->config.train.precision != "auto") return remembered.run->config.train.precision;
  return place.device.is_cuda() || ops::cpu_features().amx_bf16 ? "bf16" : "fp32";
}

int64_t local_rows(const config::Config& config, const parallel::MeshShape& mesh) {
  const int ranks = mesh.data * mesh.shard;
  return (config.train.global_batch_size + ranks - 1) / ranks;
}

bool fits(const engine::EngineOptions& options, const parallel::MeshShape& mesh, const config::Config& config,
          int64_t limit) {
  const int64_t rows = local_rows(config, mesh);
  const int accumulated = static_cast<int>((rows + options.micro_batch_size - 1) / options.micro_batch_size);
  return engine::plan_memory(options, mesh.shard, accumulated).total_bytes() <= limit;
}

int choose_zero(const config::Config& config, const parallel::MeshShape& mesh, engine::EngineOptions options,
                int64_t limit, const Remembered& remembered) {
  if (config.parallel.zero) return static_cast<int>(*config.parallel.zero);
  if (mesh.shard == 1) return 0;
  if (remembered.run && remembered.same_ranks && remembered.run->config.parallel.zero) {
    return static_cast<int>(*remembered.run->config.parallel.zero);
  }
  options.micro_batch_size = config.train.micro_batch_size.value_or(1);
  for (int zero = 1; zero < 3; ++zero) {
    options.zero = zero;
    if (fits(options, mesh, config, limit)) return zero;
  }
  return 3;
}

int64_t choose_micro_batch(const config::Config& config, const Place& place, const parallel::MeshShape& mesh,
                           const engine::EngineOptions& options, int64_t limit, const Remembered& remembered) {
  if (config.train.micro_batch_size) return *config.train.micro_batch_size;
  if (remembered.run && remembered.same_ranks && remembered.run->config.train.micro_batch_size) {
    return *remembered.run->config.train.micro_batch_size;
  }
  const int64_t largest = engine::largest_micro_batch(options, mesh.shard, limit, local_rows(config, mesh));
  if (place.device.is_cuda()) return std::max<int64_t>(1, largest);
  // More positions than that make no GEMM of a CPU faster, and it gains nothing from activations out of its caches.
  const int64_t useful = std::max<int64_t>(1, 16384 / options.sequence_length);
  return std::max<int64_t>(1, std::min(largest, useful));
}

void refuse_what_does_not_fit(const Choices& choices, const Place& place) {
  if (choices.memory.total_bytes() <= choices.memory_limit) return;
  std::string hint = "train.recompute=full, a higher parallel.zero or more ranks need less";
  if (choices.largest_micro_batch > 0) {
    hint = fmt::format("train.micro_batch_size={} fits; ", choices.largest_micro_batch) + hint;
  }
  throw Error(ExitCode::out_of_resources,
              fmt::format("the run needs {} on each rank, {} are allowed\n{}",
                          core::human_bytes(static_cast<double>(choices.memory.total_bytes())),
                          core::human_bytes(static_cast<double>(choices.memory_limit)), print_memory(choices, place)),
              "parallel.memory_limit", hint);
}

}  // namespace

Place take_place(const config::Loaded& loaded, int rank, int ranks, int local_rank, int local_ranks) {
  Place place{rank, ranks, local_rank, local_ranks, at::kCPU, 1, ""};
  place.device = choose_device(loaded.config.parallel.device, local_rank);
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  place.threads = static_cast<int>(loaded.config.parallel.threads.value_or(std::max(1, cores / local_ranks)));
  at::set_num_threads(place.threads);
  place.processor = place.device.is_cuda() ? device_name(place.device) : ops::cpu_description();
  return place;
}

engine::EngineOptions engine_options(const config::Config& config, const model::ModelSpec& spec, const Trained& trained,
                                     const Choices& choices) {
  engine::EngineOptions options;
  options.spec = spec;
  options.lora = trained.lora;
  options.new_rows = trained.new_rows;
  options.precision = choices.precision;
  options.zero = choices.zero;
  const auto& recompute = config.train.recompute;
  options.recompute = recompute == "full"        ? engine::Recompute::full
                      : recompute == "selective" ? engine::Recompute::selective
                                                 : engine::Recompute::none;
  options.micro_batch_size = choices.micro_batch_size;
  options.sequence_length = config.data.sequence_length;
  options.beta1 = config.train.optimizer.beta1;
  options.beta2 = config.train.optimizer.beta2;
  options.eps = config.train.optimizer.eps;
  options.weight_decay = config.train.optimizer.weight_decay;
  options.clip_grad_norm = config.train.clip_grad_norm;
  options.seed = static_cast<uint64_t>(config.train.seed);
  return options;
}

Choices decide(config::Loaded& loaded, const FolderState& run, const Place& place, const parallel::MeshShape& mesh,
               const model::ModelSpec& spec, const Trained& trained, int64_t available) {
  const auto& config = loaded.config;
  const auto remembered = remember(loaded, run, place.ranks);
  Choices choices;
  choices.memory_limit = config.parallel.memory_limit.value_or(available);
  choices.precision = choose_precision(loaded, remembered, place);
  auto options = engine_options(config, spec, trained, choices);
  options.zero = choices.zero = choose_zero(config, mesh, options, choices.memory_limit, remembered);
  choices.micro_batch_size = choose_micro_batch(config, place, mesh, options, choices.memory_limit, remembered);
  options.micro_batch_size = choices.micro_batch_size;
  const int64_t rows = local_rows(config, mesh);
  choices.memory = engine::plan_memory(
      options, mesh.shard, static_cast<int>((rows + choices.micro_batch_size - 1) / choices.micro_batch_size));
  choices.largest_micro_batch = engine::largest_micro_batch(options, mesh.shard, choices.memory_limit, rows);
  if (config.train.precision == "auto") config::set_resolved(loaded, "train.precision", choices.precision, "auto");
  if (!config.parallel.zero) config::set_resolved(loaded, "parallel.zero", std::to_string(choices.zero), "auto");
  if (!config.train.micro_batch_size) {
    config::set_resolved(loaded, "train.micro_batch_size", std::to_string(choices.micro_batch_size), "auto");
  }
  refuse_what_does_not_fit(choices, place);
  return choices;
}

int64_t agreed_memory(const Place& place, parallel::Communicator& world) {
  const int64_t own = device_memory(place.device) / 10 * 9 / (place.device.is_cuda() ? 1 : place.local_ranks);
  return -parallel::all_reduce_value(world, -own, parallel::Sum::max);
}

std::string print_memory(const Choices& choices, const Place& place) {
  std::string text = fmt::format("memory    of one rank on {}\n", place.device.is_cuda() ? place.processor : "the CPU");
  const auto line = [&](const std::string& what, int64_t bytes) {
    text += fmt::format("          {:<34} {:>12}\n", what, core::human_bytes(static_cast<double>(bytes)));
  };
  for (const auto& entry : choices.memory.state) line(entry.what, entry.bytes);
  for (const auto& entry : choices.memory.slots) line(entry.what, entry.bytes);
  line("together", choices.memory.total_bytes());
  line("allowed", choices.memory_limit);
  text += choices.largest_micro_batch > 0 ? fmt::format("          largest micro-batch that fits: {}\n",
                                                        core::counted(choices.largest_micro_batch, "sequences"))
                                          : std::string("          not even one sequence fits\n");
  return text;
}

}  // namespace plumb::run
