#include "trainer/engine/engine.h"

#include <ATen/ATen.h>
#include <malloc.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "trainer/engine/interpreter.h"
#include "trainer/engine/optimizer.h"
#include "trainer/engine/registry.h"
#include "trainer/model/initial_values.h"

namespace plumb::engine {

namespace {

// Activations are given back and taken again every step: the allocator keeps their pages instead of returning them to
// the system, or each step would fault them in again.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  mallopt(M_TOP_PAD, 16 << 20);
}

void check_options(const EngineOptions& options) {
  options.spec.validate("model");
  if (options.zero < 0 || options.zero > 3)
    fail_input("parallel.zero", "expected 0 to 3", "auto chooses the lowest that fits");
  if (options.sequence_length < 1 || options.micro_batch_size < 1) {
    fail_internal("the engine needs a sequence length and a micro-batch size");
  }
}

class EngineImpl : public Engine {
 public:
  EngineImpl(const EngineOptions& options, parallel::Mesh mesh, at::Device device)
      : options_(options),
        device_(device),
        mesh_(std::move(mesh)),
        table_(model::parameters(options.spec, options.lora, options.new_rows)),
        model_(options.spec, options.lora, table_, device),
        state_(options_, mesh_, table_),
        interpreter_(model_, state_, options_.recompute, step(1, false).trainable),
        memory_(plan_memory(options_, mesh_.shard->size(), 1)) {
    if (options_.optimizer) optimizer_ = std::make_unique<Optimizer>(options_, state_, device_);
    model_.rope(options_.sequence_length);
    registry_.parts = state_parts(state_);
    publish_values();
    registry_.after_load = [this] { after_load(); };
  }

  void initialise(uint64_t seed) override {
    fill(seed, [](const std::string&) { return true; });
    initialised_ = true;
  }

  void load(const model::WeightSource& base) override {
    if (!initialised_) fill(options_.seed, model::is_adapter);
    fill_parameters(
        state_, [](const std::string& name) { return !model::is_adapter(name); },
        [&](const parallel::BucketEntry& entry, int64_t begin, std::span<float> out) {
          base.read(entry.name, entry.shape, begin, out);
        });
    initialised_ = true;
  }

  StepResult step(std::span<const data::Batch> micro_batches, const Objective& objective,
                  double learning_rate) override;
  at::Tensor forward(const data::Batch& batch, bool adapters) override;
  EvalResult evaluate(std::span<const data::Batch> batches) override;

  void hold() override {
    if (++holds_ > 1) return;
    state_.hold();
    held_ = model::hold_model(model_, vocabulary_);
  }
  void release() override {
    if (holds_ == 0) fail_internal("release without hold");
    if (--holds_ > 0) return;
    held_.reset();
    state_.drop();
  }
  model::HeldModel& held() override {
    if (!held_) fail_internal("held() is valid between hold() and release()");
    return *held_;
  }

  void limit_vocabulary(std::optional<int64_t> rows) override {
    if (holds_ > 0) fail_internal("the vocabulary is limited before the weights are held");
    vocabulary_ = rows;
  }

  at::Tensor parameter(const std::string& name) override { return whole_parameter(state_, name); }
  at::Tensor gradient(const std::string& name) override { return whole_gradient(state_, name); }

  StateRegistry& state() override { return registry_; }
  const MemoryTable& memory() const override { return memory_; }
  std::vector<Action> plan(int micro_batches) const override { return plan_step(step(micro_batches, false)); }
  const EngineOptions& options() const override { return options_; }

 private:
  StepOptions step(int micro_batches, bool evaluate) const {
    return step_options(options_, mesh_.shard->size(), mesh_.data_ranks(), micro_batches, evaluate);
  }
  void fill(uint64_t seed, const std::function<bool(const std::string&)>& wanted) {
    fill_parameters(state_, wanted, [&](const parallel::BucketEntry& entry, int64_t begin, std::span<float> out) {
      model::initial_values(table_.info(entry.name), options_.spec, seed, begin, out);
    });
  }
  void after_load();
  void publish_values() {
    registry_.values["optimizer"] = {{"name", "adamw"}, {"updates", optimizer_ ? optimizer_->steps() : 0}};
    registry_.values["precision"] = {{"name", options_.precision}};
  }
  std::vector<DeviceBatch> prepare(std::span<const data::Batch> batches, bool training);

  // Of all ranks: the normaliser, the positions, and the largest number of micro-batches.
  struct Counts {
    double normaliser = 0;
    int64_t tokens = 0, micro_batches = 0;
  };
  Counts count(std::span<const data::Batch> batches, const Objective* objective);
  // Forward only; dry where other ranks have more batches.
  std::vector<at::Tensor> logprobs(std::span<const data::Batch> batches, int64_t rounds, bool adapters);

  EngineOptions options_;
  at::Device device_;
  parallel::Mesh mesh_;
  model::ParameterTable table_;
  model::Transformer model_;
  ModelState state_;
  Interpreter interpreter_;
  MemoryTable memory_;
  std::unique_ptr<Optimizer> optimizer_;
  StateRegistry registry_;
  std::unique_ptr<model::HeldModel> held_;
  int holds_ = 0;
  std::optional<int64_t> vocabulary_;
  bool initialised_ = false;
};

void EngineImpl::after_load() {
  spread_state(state_);
  initialised_ = true;
  if (!optimizer_) return;
  const auto optimizer = registry_.values.find("optimizer");
  if (optimizer == registry_.values.end() || !optimizer->is_object() || !optimizer->contains("updates") ||
      !optimizer->at("updates").is_number_integer()) {
    fail_input("optimizer.updates", "the checkpoint does not say how many updates its optimizer has made",
               "it was not written by this trainer, or it is damaged");
  }
  optimizer_->set_steps(optimizer->at("updates").get<int64_t>());
}

std::vector<DeviceBatch> EngineImpl::prepare(std::span<const data::Batch> batches, bool training) {
  const bool dropout = training && (options_.spec.hidden_dropout > 0 || (options_.lora && options_.lora->dropout > 0));
  const std::optional<uint64_t> seed = dropout ? std::make_optional(options_.seed) : std::nullopt;
  std::vector<DeviceBatch> out;
  for (const data::Batch& batch : batches) {
    out.push_back(to_device(batch, options_.spec.vocab_size, device_, seed, optimizer_ ? optimizer_->steps() : 0));
    model_.rope(batch.sequence_length);
  }
  return out;
}

EngineImpl::Counts EngineImpl::count(std::span<const data::Batch> batches, const Objective* objective) {
  // One sum answers all: every rank writes its number of micro-batches at a place of its own.
  parallel::Communicator& ranks = *mesh_.data_shard;
  const at::Tensor sums = at::zeros({2 + ranks.size()}, at::TensorOptions(at::kDouble));
  double* const value = sums.mutable_data_ptr<double>();
  for (const data::Batch& batch : batches) {
    if (objective != nullptr) value[0] += objective->count(batch);
    value[1] += static_cast<double>(batch.tokens());
  }
  value[2 + ranks.rank()] = static_cast<double>(batches.size());
  at::Tensor all = sums;
  if (ranks.size() > 1) {
    const at::Tensor on_device = sums.to(device_);
    ranks.all_reduce(on_device, {parallel::Sum::sum, at::kDouble, at::kDouble});
    all = on_device.cpu();
  }
  const double* const sum = all.const_data_ptr<double>();
  const double most = *std::max_element(sum + 2, sum + 2 + ranks.size());
  return {sum[0], static_cast<int64_t>(sum[1]), static_cast<int64_t>(most)};
}

StepResult EngineImpl::step(std::span<const data::Batch> micro_batches, const Objective& objective,
                            double learning_rate) {
  if (!optimizer_) fail_internal("this engine was made without an optimizer");
  if (holds_ > 0) fail_internal("no step while the weights are held");
  const Counts counts = count(micro_batches, &objective);
  if (!(counts.normaliser > 0)) {
    fail_input("batch", "the whole global batch has nothing to train on: every loss weight is 0",
               "check the masks with plumb tune --show-masks");
  }
  const std::vector<DeviceBatch> batches = prepare(micro_batches, true);
  state_.clear_gradients();
  Work work;
  work.batches = batches;
  work.objective = &objective;
  work.total = counts.normaliser;
  work.seed = options_.seed;
  const double local = interpreter_.run(plan(static_cast<int>(counts.micro_batches)), work).loss;
  const Optimizer::Totals totals = optimizer_->totals(local);
  StepResult result{totals.loss, totals.norm, counts.normaliser, counts.tokens,
                    std::isfinite(totals.loss) && std::isfinite(totals.norm)};
  if (result.finite) optimizer_->update(learning_rate, totals.norm);
  publish_values();
  return result;
}

std::vector<at::Tensor> EngineImpl::logprobs(std::span<const data::Batch> batches, int64_t rounds, bool adapters) {
  const std::vector<DeviceBatch> prepared = prepare(batches, false);
  Work work;
  work.batches = prepared;
  work.adapters = adapters;
  work.vocabulary = vocabulary_;
  return interpreter_.run(plan_step(step(static_cast<int>(rounds), true)), work).logprob;
}

at::Tensor EngineImpl::forward(const data::Batch& batch, bool adapters) {
  return logprobs({&batch, 1}, 1, adapters).front().cpu();
}

EvalResult EngineImpl::evaluate(std::span<const data::Batch> batches) {
  const Counts counts = count(batches, nullptr);
  const at::Tensor sums = at::zeros({2}, at::TensorOptions(at::kDouble).device(device_));
  for (int64_t round = 0; round < counts.micro_batches; ++round) {
    const bool mine = round < static_cast<int64_t>(batches.size());
    const auto part = mine ? batches.subspan(static_cast<size_t>(round), 1) : std::span<const data::Batch>{};
    const std::vector<at::Tensor> logprob = logprobs(part, 1, true);
    if (!mine) continue;
    const data::Batch& batch = part.front();
    double weight = 0;
    for (size_t t = 0; t < batch.loss_weight.size(); ++t) {
      if (batch.labels[t] != data::kNoLabel) weight += static_cast<double>(batch.loss_weight[t]);
    }
    const at::Tensor weights = at::tensor(batch.loss_weight, at::TensorOptions(at::kDouble)).to(device_);
    sums.select(0, 0).sub_(weights.dot(logprob.front().to(at::kDouble)));
    sums.select(0, 1).add_(weight);
  }
  if (mesh_.data_shard->size() > 1) mesh_.data_shard->all_reduce(sums, {parallel::Sum::sum, at::kDouble, at::kDouble});
  const at::Tensor host = sums.cpu();
  return {host[0].item<double>(), host[1].item<double>(), counts.tokens};
}

}  // namespace

std::unique_ptr<Engine> Engine::make(const EngineOptions& options, parallel::Mesh mesh, at::Device device) {
  check_options(options);
  if (device.is_cpu()) keep_freed_memory();
  return std::make_unique<EngineImpl>(options, std::move(mesh), device);
}

}  // namespace plumb::engine
