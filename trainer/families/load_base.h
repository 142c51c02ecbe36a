// A Hugging Face folder as a base: its shape, weights, tokenizer, chat template and the ids that end an answer.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/model/spec.h"
#include "trainer/model/weight_source.h"

namespace plumb::families {

struct LoadedBase {
  std::filesystem::path folder;
  model::ModelSpec spec;
  std::unique_ptr<model::WeightSource> weights;  // canonical names; digest() covers config.json and the weights
  std::filesystem::path tokenizer;               // the folder when it has a tokenizer.json, else empty
  std::string chat_template;                     // Jinja text; empty: none
  std::optional<int32_t> bos_id, pad_id;
  std::vector<int32_t> eos_ids;  // generation_config.json's, else config.json's; without doubles
};

// A folder with config.json. Everything is checked against the shape before this returns: names, shapes, dtypes.
bool is_hugging_face_folder(const std::filesystem::path& folder);
LoadedBase open_base(const std::filesystem::path& folder);
// The text alone: chat_template.jinja wins over tokenizer_config.json, of whose list "default" is taken.
std::string read_chat_template(const std::filesystem::path& folder);

}  // namespace plumb::families
