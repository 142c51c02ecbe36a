#include "trainer/export/merged_weights.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/hash.h"

namespace plumb::exporting {
namespace {

const std::string kWeight = "weight";

std::string without_weight(const std::string& name) { return name.substr(0, name.size() - kWeight.size()); }

}  // namespace

MergedWeights::MergedWeights(const model::WeightSource& source, const model::ModelSpec& spec,
                             const model::LoraSpec& lora)
    : source_(source), lora_(lora) {
  find_adapters(spec, lora);
}

MergedWeights::MergedWeights(std::shared_ptr<const model::WeightSource> source, const model::ModelSpec& spec,
                             const model::LoraSpec& lora)
    : owned_(std::move(source)), source_(*owned_), lora_(lora) {
  find_adapters(spec, lora);
}

void MergedWeights::find_adapters(const model::ModelSpec& spec, const model::LoraSpec& lora) {
  for (const auto& parameter : model::parameters(spec, lora)) {
    if (parameter.name.ends_with(".lora_a")) {
      adapted_.insert(parameter.name.substr(0, parameter.name.size() - 6) + kWeight);
    }
  }
}

bool MergedWeights::has(const std::string& name) const {
  return !name.ends_with(".lora_a") && !name.ends_with(".lora_b") && source_.has(name);
}

void MergedWeights::read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                         std::span<float> out) const {
  source_.read(name, shape, begin, out);
  if (out.empty() || !adapted_.count(name)) return;
  std::vector<float> delta(out.size());
  read_delta(name, shape, begin, delta);
  for (size_t i = 0; i < out.size(); ++i) out[i] += delta[i];
}

bool MergedWeights::read_delta(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                               std::span<float> out) const {
  if (!adapted_.count(name)) return false;
  if (out.empty()) return true;
  const int64_t rows = shape.at(0), columns = shape.at(1), rank = lora_.rank;
  const int64_t first = begin / columns;
  const int64_t count = (begin + static_cast<int64_t>(out.size()) - 1) / columns - first + 1;
  const at::Tensor a = at::empty({rank, columns}), b = at::empty({count, rank});
  source_.read(without_weight(name) + "lora_a", {rank, columns}, 0,
               {a.data_ptr<float>(), static_cast<size_t>(a.numel())});
  source_.read(without_weight(name) + "lora_b", {rows, rank}, first * rank,
               {b.data_ptr<float>(), static_cast<size_t>(b.numel())});
  const at::Tensor delta = at::mm(b, a).mul_(lora_.scaling());
  const float* from = delta.data_ptr<float>() + (begin - first * columns);
  std::copy(from, from + out.size(), out.begin());
  return true;
}

std::string MergedWeights::digest() const { return core::sha256("merged " + source_.digest()); }

AdapterOverBase::AdapterOverBase(std::shared_ptr<const model::WeightSource> adapter,
                                 std::shared_ptr<const model::WeightSource> base)
    : adapter_(std::move(adapter)), base_(std::move(base)) {}

bool AdapterOverBase::has(const std::string& name) const { return adapter_->has(name) || base_->has(name); }

void AdapterOverBase::read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                           std::span<float> out) const {
  (adapter_->has(name) ? *adapter_ : *base_).read(name, shape, begin, out);
}

std::string AdapterOverBase::digest() const { return core::sha256(adapter_->digest() + " over " + base_->digest()); }

}  // namespace plumb::exporting
