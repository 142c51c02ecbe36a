// Any MODEL a user can name: a run, RUN/step-N, or a Hugging Face folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/chat_template.h"
#include "data/tokenizer/tokenizer.h"
#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::exporting {

struct OpenedModel {
  std::filesystem::path path;  // as resolved (RUN -> its newest good step)
  model::ModelSpec spec;
  std::optional<model::LoraSpec> lora;  // set for an adapter checkpoint that was not merged
  // Canonical names. For an adapter checkpoint opened with merge = true the linears come merged (fp32 W + s B A) and
  // `lora` is empty; with merge = false base weights and lora_a/lora_b are both there.
  std::shared_ptr<const model::WeightSource> weights;
  data::TokenizerPtr tokenizer;
  std::filesystem::path tokenizer_folder;  // with tokenizer.json
  std::string chat_template_jinja;         // the base's own text; empty when it has none
  data::ChatTemplatePtr chat;              // null when the text is unknown (see needed_chat)
  bool answers = false;                    // trained on prompts and answers, be it without markup (plain)
  std::vector<int32_t> eos_ids;
  int64_t step = 0;           // 0 for a Hugging Face folder
  std::filesystem::path run;  // the run's folder; empty for a Hugging Face folder
  std::optional<int32_t> bos_id, pad_id;
  nlohmann::ordered_json about;      // of the checkpoint; null for a Hugging Face folder
  std::vector<std::string> notices;  // damaged checkpoints that were passed over
};

// Everything checked, Error(bad_input) with the place and a hint. `base` of an adapter is looked for where the
// checkpoint says, its digest must match.
OpenedModel open_model(const std::filesystem::path& model, bool merge = true);

// What an export writes as chat template: nothing for a model that goes on from a text.
std::string exported_jinja(const OpenedModel&);

// The template, or the error that says why there is none.
const data::ChatTemplate& needed_chat(const OpenedModel&);

}  // namespace plumb::exporting
