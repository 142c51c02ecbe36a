// The model that base and adapter make together, as plain weights: W + s * (B A), computed in fp32 for the range asked.
#pragma once
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::exporting {

class MergedWeights : public model::WeightSource {
 public:
  // `source` has the base weights and lora_a, lora_b of every target; in the first form it must outlive this.
  MergedWeights(const model::WeightSource& source, const model::ModelSpec&, const model::LoraSpec&);
  MergedWeights(std::shared_ptr<const model::WeightSource> source, const model::ModelSpec&, const model::LoraSpec&);

  bool has(const std::string& name) const override;
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override;
  std::string digest() const override;
  // Only what the adapter adds, same range; false when `name` has no adapter.
  bool read_delta(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                  std::span<float> out) const;

 private:
  void find_adapters(const model::ModelSpec&, const model::LoraSpec&);

  std::shared_ptr<const model::WeightSource> owned_;
  const model::WeightSource& source_;
  model::LoraSpec lora_;
  std::set<std::string> adapted_;  // "blocks.0.attention.q_proj.weight"
};

// Base weights and what a LoRA checkpoint holds, under one roof.
class AdapterOverBase : public model::WeightSource {
 public:
  AdapterOverBase(std::shared_ptr<const model::WeightSource> adapter, std::shared_ptr<const model::WeightSource> base);
  bool has(const std::string& name) const override;
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override;
  std::string digest() const override;

 private:
  std::shared_ptr<const model::WeightSource> adapter_, base_;
};

}  // namespace plumb::exporting
