// A trained model as a folder that others load (Hugging Face layout).
#pragma once

#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace plumb::exporting {

struct ExportRequest {
  model::ModelSpec spec;
  const model::WeightSource& weights;         // canonical names, adapters already merged (open_model does it)
  const data::Tokenizer& tokenizer;
  std::string chat_template_jinja;            // empty: none is written
  std::vector<int32_t> eos_ids;
  std::filesystem::path out;                  // must be empty or not exist
  std::string dtype = "bf16";                 // bf16 fp32
  int64_t max_shard = 5'000'000'000;          // bytes
};

struct ExportResult {
  std::vector<std::pair<std::string, int64_t>> files;   // name, bytes
  double largest_rounding = 0;                // largest |fp32 - written| over all weights: what the dtype costs
};
ExportResult export_hf(const ExportRequest&);

}  // namespace plumb::exporting
