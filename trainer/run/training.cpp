#include "trainer/run/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "parallel/watch.h"
#include "trainer/evaluate/sets.h"
#include "trainer/run/about.h"
#include "trainer/run/device.h"
#include "trainer/run/signals.h"

namespace plumb::run {

nlohmann::ordered_json Progress::json() const {
  nlohmann::ordered_json best_list = nlohmann::ordered_json::array();
  for (const auto& [at, value] : best) best_list.push_back({at, value});
  nlohmann::ordered_json batch_list = nlohmann::ordered_json::array();
  for (const auto& batch : batches) batch_list.push_back({batch.from_step, batch.rows});
  return {{"step", step},      {"tokens", tokens}, {"trained_tokens", trained_tokens}, {"skipped", skipped},
          {"best", best_list}, {"kept", kept},     {"base_scores", base_scores},       {"batches", batch_list}};
}

Progress Progress::from_json(const nlohmann::ordered_json& json) {
  Progress progress;
  progress.step = json.at("step").get<int64_t>();
  progress.tokens = json.at("tokens").get<int64_t>();
  progress.trained_tokens = json.at("trained_tokens").get<double>();
  progress.skipped = json.at("skipped").get<int64_t>();
  for (const auto& entry : json.at("best")) progress.best[entry.at(0).get<int64_t>()] = entry.at(1).get<double>();
  progress.kept = json.at("kept").get<std::vector<int64_t>>();
  progress.base_scores = json.at("base_scores");
  for (const auto& entry : json.at("batches")) {
    progress.batches.push_back({entry.at(0).get<int64_t>(), entry.at(1).get<int64_t>()});
  }
  return progress;
}

uint64_t rows_done(const Context& context, const Progress& progress) {
  return static_cast<uint64_t>(progress.tokens / context.config().data.sequence_length);
}

Training::Training(Context& context, Progress progress)
    : context_(context),
      progress_(std::move(progress)),
      schedule_(context.config().train.schedule, context.config().train.learning_rate, context.length.steps,
                context.length.tokens_per_step),
      objective_(engine::cross_entropy()),
      logging_(context.config().output.log_every, context.length),
      evaluating_(context.config().eval.every, context.length),
      saving_(context.config().output.checkpoint.every, context.length),
      keeping_(context.config().output.checkpoint.keep_every, context.length),
      start_(std::chrono::steady_clock::now()),
      last_log_tokens_(progress_.tokens) {
  const int64_t rows = context_.length.rows_per_step;
  if (progress_.batches.empty() || progress_.batches.back().rows != rows) {
    progress_.batches.push_back({progress_.step, rows});
  }
}

double Training::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

// This rank's part of each step that is to come.
std::unique_ptr<data::Loader> Training::make_loader() const {
  const int64_t step = progress_.step, each = context_.length.rows_per_step;
  const int rank = context_.mesh.data_shard->rank(), ranks = context_.mesh.data_shard->size();
  const uint64_t done = rows_done(context_, progress_);
  const int64_t micro = context_.choices.micro_batch_size;
  const auto slices = [=](int64_t at) {
    return rank_slice(done + static_cast<uint64_t>((at - step) * each), each, rank, ranks, micro);
  };
  return std::make_unique<data::Loader>(*context_.material.rows, slices, step, context_.length.steps);
}

Ending Training::run() {
  loader_ = make_loader();
  saved_step_ = progress_.step;  // a resumed step is on disk already; step 0 needs no checkpoint
  while (progress_.step < context_.length.steps) {
    const auto result = one_step();
    check_finite(result);
    ++progress_.step;
    context_.reporter->advance(progress_.step, result.loss);
    const bool last = progress_.step == context_.length.steps;
    const auto agreed = agree(last);
    if (agreed.log) log_step(result);
    if (agreed.evaluate) evaluate(true);
    if (agreed.save && saved_step_ != progress_.step) save();
    if (agreed.stop && !last) return Ending::stopped;
  }
  return Ending::done;
}

engine::StepResult Training::one_step() {
  const auto batches = loader_->next();
  parallel::set_step(*context_.mesh.world, progress_.step + 1);  // what hangs is named with its step
  auto result = context_.engine->step(batches, *objective_, schedule_.at(progress_.step));
  progress_.tokens += context_.length.tokens_per_step;
  progress_.trained_tokens += result.trained;
  return result;
}

void Training::check_finite(const engine::StepResult& result) {
  if (result.finite) return;
  const auto where = fmt::format("step {}", progress_.step + 1);
  const auto what = fmt::format("loss {} and gradient norm {} are not finite; the weights were not touched",
                                result.loss, result.grad_norm);
  if (context_.config().train.on_nonfinite == "skip") {
    ++progress_.skipped;
    context_.reporter->note(fmt::format("warning   {}: {}; skipped ({} so far)", where, what, progress_.skipped));
    return;
  }
  throw Error(ExitCode::numerics, what, where,
              "a lower train.learning_rate or a longer warm-up; train.on_nonfinite=skip goes on without such steps");
}

Training::Agreement Training::agree(bool last) {
  const int64_t step = progress_.step;
  const auto limit = context_.config().train.time_limit;
  // A sum over ranks: requests to stop are counted in the low half, each bit of the high half is the main rank's.
  constexpr int64_t kSave = int64_t{1} << 32, kEvaluate = kSave << 1, kLog = kSave << 2, kKeep = kSave << 3;
  int64_t wishes = stop_requested() ? 1 : 0;
  if (context_.main()) {
    if (limit && seconds() >= *limit) wishes |= 1;
    if (saving_.due_by_clock(seconds())) wishes |= kSave;
    if (evaluating_.due_by_clock(seconds())) wishes |= kEvaluate;
    if (logging_.due_by_clock(seconds())) wishes |= kLog;
    if (keeping_.due_by_clock(seconds())) wishes |= kKeep;
  }
  wishes = parallel::all_reduce_value(*context_.mesh.world, wishes);
  const auto due = [&](int64_t clock, const Cadence& cadence) { return (wishes & clock) != 0 || cadence.due(step); };
  Agreement agreed;
  agreed.stop = (wishes & (kSave - 1)) != 0;
  const bool kept = due(kKeep, keeping_);
  agreed.evaluate = due(kEvaluate, evaluating_) || (last && !evaluating_.off());
  agreed.save = due(kSave, saving_) || kept || last || agreed.stop;
  agreed.log = due(kLog, logging_) || last || step == 1;
  if (kept) progress_.kept.push_back(step);
  return agreed;
}

void Training::log_step(const engine::StepResult& result) {
  synchronize(context_.place.device);
  const double now = seconds();
  StepReport report;
  report.step = progress_.step;
  report.loss = result.loss;
  report.learning_rate = schedule_.at(progress_.step - 1);
  report.grad_norm = result.grad_norm;
  report.trained_tokens = progress_.trained_tokens;
  report.tokens = progress_.tokens;
  report.seconds = now;
  report.tokens_per_second =
      static_cast<double>(progress_.tokens - last_log_tokens_) / std::max(1e-9, now - last_log_seconds_);
  report.memory_bytes = device_memory_used(context_.place.device);
  last_log_seconds_ = now;
  last_log_tokens_ = progress_.tokens;
  context_.reporter->step(report);
}

void Training::evaluate(bool save_after) {
  const double before = seconds(), logged = last_log_seconds_;
  auto metrics = validation_metrics(context_);
  for (const auto& [name, value] : evaluate_sets_during(context_)) metrics[name] = value;
  if (metrics.empty()) return;
  const bool best = save_after && keep_if_best(metrics);
  std::string text;
  for (const auto& [name, value] : metrics) text += fmt::format("{} {:.4f}  ", name, value);
  if (best) text += "best so far  ";
  if (best) save();
  context_.reporter->evaluation(progress_.step, metrics, text + fmt::format("{:.1f} s", seconds() - before));
  last_log_seconds_ = logged + seconds() - before;  // neither evaluation nor the save in it is training time
}

// True when this step belongs to the best keep_best ones and must be saved right now.
bool Training::keep_if_best(const std::map<std::string, double>& metrics) {
  const auto& group = context_.config().output.checkpoint;
  const auto found = metrics.find(group.best);
  if (group.keep_best <= 0 || found == metrics.end() || !std::isfinite(found->second)) return false;
  const double sign = evaluate::larger_is_better(group.best.substr(group.best.find('.') + 1)) ? -1 : 1;
  progress_.best[progress_.step] = found->second;
  if (static_cast<int64_t>(progress_.best.size()) <= group.keep_best) return true;
  const auto worst = std::max_element(progress_.best.begin(), progress_.best.end(),
                                      [&](const auto& a, const auto& b) { return sign * a.second < sign * b.second; });
  const bool kept = worst->first != progress_.step;
  progress_.best.erase(worst);
  return kept;
}

void Training::save() {
  auto& state = context_.engine->state();
  state.values["progress"] = progress_.json();
  state.values["loader"] = context_.material.rows->state(rows_done(context_, progress_));
  const auto saved = checkpoint::save(context_.config().output.folder, progress_.step, state, about(context_),
                                      *context_.mesh.shard, context_.mesh.data->rank() == 0);
  context_.mesh.world->barrier();  // replicas wait too: nobody goes on before it is durable
  saved_step_ = progress_.step;
  if (context_.main()) {
    checkpoint::Retention retention;
    retention.keep_last = context_.config().output.checkpoint.keep_last;
    retention.protected_steps = progress_.kept;
    for (const auto& [step, value] : progress_.best) retention.protected_steps.push_back(step);
    retention.protected_steps.push_back(progress_.step);
    try {
      checkpoint::prune(context_.config().output.folder, retention);
    } catch (const Error& error) {  // the new one is durable: an old one that stays is no reason to end
      context_.reporter->note(std::string("warning   ") + error.what());
    }
  }
  last_log_seconds_ += saved.seconds;
  context_.reporter->note(fmt::format("saved     step-{} {} in {:.1f} s", progress_.step,
                                      core::human_bytes(static_cast<double>(saved.bytes)), saved.seconds));
}

std::map<std::string, double> validation_metrics(Context& context) {
  if (!context.material.validation_rows) return {};
  const auto& config = context.config();
  const int64_t rows = std::min<int64_t>(context.material.validation->rows(),
                                         std::max<int64_t>(1, config.eval.tokens / config.data.sequence_length));
  const auto& data = *context.mesh.data_shard;
  const auto [offset, count] = rank_rows(rows, data.rank(), data.size());
  std::vector<data::Batch> batches;
  uint64_t first = static_cast<uint64_t>(offset);
  for (const int64_t size : micro_batches(count, context.choices.micro_batch_size)) {
    batches.push_back(context.material.validation_rows->batch(first, size));
    first += static_cast<uint64_t>(size);
  }
  const auto result = context.engine->evaluate(batches);
  if (result.weight <= 0) return {};
  const double loss = result.loss_sum / result.weight;
  return {{"validation.loss", loss}, {"validation.perplexity", std::exp(loss)}};
}

}  // namespace plumb::run
