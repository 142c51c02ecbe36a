// A trained model as a folder that others load (Hugging Face layout).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::exporting {

struct ExportRequest {
  model::ModelSpec spec;
  const model::WeightSource& weights;  // canonical names, adapters already merged (open_model does it)
  const data::Tokenizer& tokenizer;
  std::string chat_template_jinja;  // empty: none is written
  std::vector<int32_t> eos_ids;
  std::filesystem::path out;                        // must be empty or not exist
  std::string dtype = "bf16";                       // bf16 fp32
  int64_t max_shard = 5'000'000'000;                // bytes; a tensor is never split
  std::optional<int32_t> bos_id = {}, pad_id = {};  // absent: the tokenizer's
  // Given when the adapters are not merged yet (weights has lora_a and lora_b): then they are merged while writing, in
  // fp32 and cast once, and the error of that is measured.
  std::optional<model::LoraSpec> lora = {};
};

// What rounding to the stored dtype leaves of an adapter: |stored - (W + sBA)| against |sBA|, Frobenius norms over all
// adapted matrices.
struct MergeError {
  double relative = 0;
  int64_t matrices = 0;
};

struct ExportResult {
  std::vector<std::pair<std::string, int64_t>> files;  // name, bytes
  double largest_rounding = 0;  // largest |fp32 - written| over all weights: what the dtype costs
  int64_t tensor_bytes = 0;
  std::optional<MergeError> merge;
  std::vector<std::string> notes;  // what a serving engine will not take, or take differently
  std::string text() const;        // the lines that `plumb export` prints
};
// Writes beside `out` and renames when everything is durable: a folder named `out` is always a whole export.
ExportResult export_hf(const ExportRequest&);

}  // namespace plumb::exporting
