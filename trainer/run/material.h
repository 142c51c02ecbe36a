// What a run is made of before the first rank talks to another: tokenizer, template, model shape, datasets.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config/load.h"
#include "data/chat_template.h"
#include "data/dataset.h"
#include "trainer/export/open_model.h"
#include "trainer/model/spec.h"

namespace plumb::run {

// A weighted source, or all unweighted ones together.
struct TrainPart {
  std::string name;
  double weight = 1;
  std::filesystem::path folder;
};

// Paths of everything built or found, equal on all ranks; made by rank 0, read by all.
struct MaterialPaths {
  std::filesystem::path tokenizer;           // folder with tokenizer.json
  std::vector<TrainPart> train;              // dataset folders
  std::filesystem::path validation, replay;  // the same; empty = none
  std::vector<std::string> sets;             // of each evaluation set: records and the longest, for the start block
  nlohmann::ordered_json json() const;
  static MaterialPaths from_json(const nlohmann::ordered_json&);
};

// Trains or copies the tokenizer and builds what is missing in the cache, before communicators of the run start; safe
// when killed. One process does it, or every process of a crew (`plumb data build` under mpirun). `sets`: a run reads
// its evaluation sets as soon as there is a tokenizer, so that a mistake in them does not wait for the datasets.
enum class EvalSets { left_alone, read };
MaterialPaths build_material(const config::Loaded&, const data::Crew::Options& = {}, EvalSets = EvalSets::left_alone);

// Fetched objects go into data.cache, in this process from now on.
void use_object_cache(const config::Config&);

// The tokenizer that `tokenizer.*` asks for: the file's, the base's, bytes, or BPE trained on data.sources; where
// nothing is asked for, that of data.dataset; grown where tokenizer.extend says so. What is learnt is cached by content
// beside the datasets.
struct BuiltTokenizer {
  std::filesystem::path folder;
  data::TokenizerPtr grown_from;  // tokenizer.extend: what it was before
};
BuiltTokenizer build_tokenizer(const config::Loaded&, const std::optional<exporting::OpenedModel>& base,
                               const data::Crew::Options& = {});

// What is trained where not everything is: adapters, the vocabulary from a row on, or both.
struct Trained {
  std::optional<model::LoraSpec> lora;
  std::optional<int64_t> new_rows;
  bool part() const { return lora || new_rows; }  // a checkpoint of it is nothing without its base
};

struct Material {
  std::optional<exporting::OpenedModel> base;          // tune
  std::shared_ptr<const model::WeightSource> weights;  // the base's, with the rows of tokenizer.extend; null: none
  std::optional<int64_t> first_new;                    // of tokenizer.extend: ids below are the base's
  data::TokenizerPtr tokenizer;
  data::ChatTemplatePtr chat;
  model::ModelSpec spec;
  Trained trained;
  std::vector<int32_t> end_ids;  // what ends an answer: eos and the template's stop tokens
  std::vector<data::Part> train;
  data::DatasetPtr validation, replay;
  std::vector<std::string> sets;  // as in MaterialPaths
  std::unique_ptr<data::RowStream> rows, validation_rows;
};
Material open_material(const config::Loaded&, const MaterialPaths&);

// ModelSpec from model.* (preset's and base's values are in the config already, or come from the opened base).
model::ModelSpec spec_from_config(const config::ModelSection&, const data::Tokenizer&, int64_t sequence_length);

}  // namespace plumb::run
