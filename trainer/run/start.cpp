#include "trainer/run/start.h"

#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/families/spec_json.h"
#include "trainer/ledger/manifest.h"
#include "trainer/ops/cpu_features.h"
#include "trainer/run/about.h"

namespace plumb::run {

namespace {

void check_batch(const config::Config& config, const parallel::MeshShape& mesh) {
  const int64_t ranks = mesh.data * mesh.shard;
  if (config.train.global_batch_size >= ranks) return;
  fail_input("train.global_batch_size",
             fmt::format("expected at least one sequence for each of {} data ranks, found {}", ranks,
                         config.train.global_batch_size),
             fmt::format("train.global_batch_size={} or fewer ranks", ranks));
}

int64_t trained_parameters(const Context& context) {
  int64_t count = 0;
  const auto& trained = context.material.trained;
  for (const auto& parameter : model::parameters(context.material.spec, trained.lora, trained.new_rows)) {
    if (parameter.trainable) count += parameter.numel();
  }
  return count;
}

// An adapter means something only on the weights it was trained on, and so do new rows.
void check_base_of_part(const Context& context) {
  if (!context.material.trained.part()) return;
  const auto& then = context.folder.newest->about;
  const bool known = then.contains("base") && then["base"].is_object();
  const std::string digest = known ? then["base"].value("digest", "") : "";
  if (digest == context.material.base->weights->digest()) return;
  fail_input(
      "model.base",
      fmt::format("its weights are not those that this run's {} trained on",
                  context.material.trained.lora ? "adapter was" : "new rows were"),
      known ? "set model.base to " + then["base"].value("path", "") + " and name model.base in train.accept_changes"
            : "");
}

// The ids of a checkpoint mean what the run's tokenizer says. It is made again from its texts, and those may have
// changed since.
void check_tokenizer_is_the_runs(const Context& context) {
  const auto& accepted = context.config().train.accept_changes;
  const auto then = context.folder.manifest.value("tokenizer", context.material.tokenizer->digest());
  if (then == context.material.tokenizer->digest() ||
      std::any_of(accepted.begin(), accepted.end(), [](const auto& key) { return key.starts_with("tokenizer"); })) {
    return;
  }
  fail_input(context.config().output.folder, "the tokenizer of this run is another one now than when it began",
             "restore the texts it is made from, or use another output.folder");
}

// The same rank, thread count and instruction set give the same bits; another one is said, not refused.
void note_other_machine(Context& context) {
  const auto& then = context.folder.manifest;
  if (then.is_null() || !then.contains("processor")) return;
  const bool same = then.value("ranks", 0) == context.place.ranks &&
                    then.value("threads", 0) == context.place.threads &&
                    then.value("processor", "") == context.place.processor;
  if (!same) {
    context.reporter->note(
        fmt::format("resume    the run began on {} x {}, {}: results agree to rounding, not bit for bit",
                    core::counted(then.value("ranks", 0), "ranks"), core::counted(then.value("threads", 0), "threads"),
                    then.value("processor", "")));
  }
}

// `key` itself or what lies in it.
bool names(const std::string& address, const std::string& key) {
  return address.starts_with(key) &&
         (address.size() == key.size() || address[key.size()] == '.' || address[key.size()] == '[');
}

// May what was read so far differ in this? Only where a key that decides it has changed and was accepted, or where the
// user names the data themselves: files, a dataset or a tokenizer can change while their keys stay. What a curriculum
// says of rows that were read already is history, and no key decides it.
bool may_differ(const Context& context, const std::string& what) {
  static const std::map<std::string, std::vector<std::string>> decided_by = {
      {"seed", {"data.seed", "train.seed"}},
      {"shuffle", {"data.shuffle"}},
      {"sequence_length", {"data.sequence_length"}},
      {"plan", {"data.sources", "data.replay", "data.sequence_length"}},
      {"data",
       {"data.sources", "data.dataset", "data.replay", "data.sequence_length", "data.packing", "data.too_long",
        "data.validation_share", "data.clean", "data.privacy", "data.dedup", "data.decontaminate", "tokenizer",
        "method", "model.base"}}};
  static const std::vector<std::string> themselves = {"data.sources", "data.dataset", "data.replay", "tokenizer"};
  const auto& config = context.config();
  const auto& accepted = config.train.accept_changes;
  const bool named = std::any_of(accepted.begin(), accepted.end(), [&](const std::string& name) {
    return std::any_of(themselves.begin(), themselves.end(), [&](const auto& key) { return names(name, key); });
  });
  if (what == "data" && named) return true;
  const auto keys = decided_by.find(what);
  if (keys == decided_by.end()) return false;
  for (const auto& change : config::weight_differences(context.loaded, context.folder.resolved_yaml)) {
    if (std::any_of(keys->second.begin(), keys->second.end(),
                    [&](const auto& key) { return names(change.key, key); })) {
      return true;
    }
  }
  return false;
}

void check_order(const Context& context, const nlohmann::ordered_json& saved, uint64_t rows) {
  std::string refused;
  for (const auto& difference : context.material.rows->differences(saved, rows)) {
    if (!may_differ(context, difference.what)) refused += "\n      " + difference.text;
  }
  if (refused.empty()) return;
  fail_input(context.folder.newest->folder.string(),
             "the data of this run, or their order up to here, have changed since:" + refused,
             "restore them, or use another output.folder with model.base set to this checkpoint; data.sources or "
             "data.dataset in train.accept_changes goes on with other data");
}

}  // namespace

std::unique_ptr<Context> make_context(config::Loaded loaded, const Place& place, parallel::CommunicatorPtr world,
                                      const FolderState& state, const MaterialPaths& paths) {
  auto context = std::make_unique<Context>();
  context->loaded = std::move(loaded);
  context->place = place;
  context->folder = state;
  const auto& config = context->config();
  const parallel::MeshShape wanted{.pipeline = 1,
                                   .data = static_cast<int>(config.parallel.data),
                                   .shard = static_cast<int>(config.parallel.shard.value_or(0))};
  context->mesh = parallel::make_mesh(world, parallel::resolve_mesh(wanted, world->size()));
  check_batch(config, context->mesh.shape);
  context->material = open_material(context->loaded, paths);
  context->length = resolve_length(config.train, config.data.sequence_length, context->material.rows->rows_per_epoch());
  context->choices = decide(context->loaded, state, place, context->mesh.shape, context->material.spec,
                            context->material.trained, agreed_memory(place, *world));
  const auto options = engine_options(config, context->material.spec, context->material.trained, context->choices);
  context->engine = engine::Engine::make(options, context->mesh, place.device);
  const auto ceiling = measure_ceiling(place, context->choices.precision, *world);
  context->reporter = std::make_unique<Reporter>(context->loaded, place, context->length, context->material.spec,
                                                 ceiling, context->choices.memory_limit, context->main());
  return context;
}

Progress load_weights(Context& context) {
  const auto& config = context.config();
  context.engine->initialise(static_cast<uint64_t>(config.train.seed));
  if (context.material.weights) context.engine->load(*context.material.weights);
  if (!context.folder.newest) {
    context.reporter->start_block(context.loaded, context.material, context.choices, context.mesh.shape,
                                  trained_parameters(context));
    return {};
  }
  check_tokenizer_is_the_runs(context);
  check_base_of_part(context);
  auto& state = context.engine->state();
  checkpoint::load(*context.folder.newest, state, *context.mesh.shard);
  const auto& values = context.folder.newest->values;
  auto progress = Progress::from_json(values.at("progress"));
  check_order(context, values.at("loader"), rows_done(context, progress));
  context.reporter->start_block(context.loaded, context.material, context.choices, context.mesh.shape,
                                trained_parameters(context));
  context.reporter->note(fmt::format("resume    from step-{}, {} to go", progress.step,
                                     core::counted(context.length.steps - progress.step, "steps")));
  note_other_machine(context);
  return progress;
}

nlohmann::ordered_json start_manifest(const Context& context) {
  const auto& material = context.material;
  nlohmann::ordered_json manifest = {{"plumb", 1},
                                     {"started", ledger::utc_now()},
                                     {"ranks", context.place.ranks},
                                     {"threads", context.place.threads},
                                     {"processor", context.place.processor},
                                     {"cpu", ops::cpu_description()},
                                     {"device", context.place.device.str()},
                                     {"libtorch", TORCH_VERSION},
                                     {"precision", context.choices.precision},
                                     {"tokenizer", material.tokenizer->digest()}};
  auto& datasets = manifest["datasets"] = nlohmann::ordered_json::array();
  const auto record = [](const data::Dataset& dataset) {
    return nlohmann::ordered_json{{"folder", dataset.folder().string()}, {"digest", dataset.digest()}};
  };
  for (const auto& part : material.train) {
    datasets.push_back(record(*part.dataset));
    datasets.back().update({{"name", part.name}, {"weight", part.weight}});
  }
  if (material.replay) {
    datasets.push_back(record(*material.replay));
    datasets.back()["replay"] = true;
  }
  if (material.validation) manifest["validation"] = record(*material.validation);
  if (material.base) {
    manifest["base"] = {{"path", context.config().model.base}, {"digest", material.base->weights->digest()}};
  }
  nlohmann::ordered_json sources = nlohmann::ordered_json::array();
  for (const auto& source : context.config().data.sources) {
    sources.push_back({{"name", source.name},
                       {"path", source.path},
                       {"license", source.license},
                       {"language", source.language},
                       {"synthetic", source.synthetic}});
  }
  manifest["sources"] = sources;
  manifest["environment"] = ledger::recorded_environment();
  return manifest;
}

// Whether the model has seen prompts with their answers, here or as the base that it was.
bool answers(const Context& context) {
  const auto& material = context.material;
  return (material.base && material.base->answers) ||
         std::any_of(material.train.begin(), material.train.end(),
                     [](const auto& part) { return part.dataset->has_prompts(); });
}

nlohmann::ordered_json about(const Context& context) {
  const auto& material = context.material;
  nlohmann::ordered_json about = {{"model", families::to_json(material.spec)},
                                  {"lora", nullptr},
                                  {"new_rows", nullptr},
                                  {"base", nullptr},
                                  {"chat_template", material.chat->name()},
                                  {"answers", answers(context)},
                                  {"eos_ids", material.end_ids},
                                  {"ranks", context.place.ranks},
                                  {"threads", context.place.threads},
                                  {"processor", context.place.processor}};
  if (material.trained.lora) about["lora"] = families::to_json(*material.trained.lora);
  if (material.trained.new_rows) about["new_rows"] = *material.trained.new_rows;
  if (material.trained.part()) {
    about["base"] = {{"path", material.base->path.string()}, {"digest", material.base->weights->digest()}};
  }
  return about;
}

void print_dry_run(Context& context) {
  const int64_t saved = checkpoint::bytes_of(context.engine->state(), *context.mesh.shard);
  if (!context.main()) return;
  context.reporter->start_block(context.loaded, context.material, context.choices, context.mesh.shape,
                                trained_parameters(context));
  const auto& config = context.config();
  const auto& data = *context.mesh.data_shard;
  const auto [first, count] = rank_rows(context.length.rows_per_step, data.rank(), data.size());
  const auto sizes = micro_batches(count, context.choices.micro_batch_size);
  std::cout << print_memory(context.choices, context.place)
            << fmt::format("checkpoint {} each, {} free on the disk of output.folder\n",
                           core::human_bytes(static_cast<double>(saved)),
                           core::human_bytes(static_cast<double>(core::available_bytes(config.output.folder))))
            << "\nactions of one step on rank 0\n"
            << "F(stage,micro-batch) forward, R recomputed, I backward, W weight gradients put off; gather, release, "
               "reduce (stage); finish: clip and update; [ ... ] repeats on the next\n"
            << engine::print_plan(context.engine->plan(static_cast<int>(sizes.size()))) << "\n";
  const auto batch = context.material.rows->batch(static_cast<uint64_t>(first), std::min<int64_t>(1, count));
  const auto shown = std::min<size_t>(batch.ids.size(), 256);
  std::cout << fmt::format("first sequence, {} of {} positions, {}\n", shown, batch.ids.size(),
                           core::counted(static_cast<int64_t>(batch.doc_offsets.size()) - 1, "documents"))
            << context.material.tokenizer->decode(std::span(batch.ids).first(shown)) << "\n";
}

}  // namespace plumb::run
