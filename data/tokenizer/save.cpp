// save_tokenizer: what transformers and serving engines load.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "data/tokenizer/file_tokenizer.h"
#include "data/tokenizer/sentencepiece_tokenizer.h"

namespace plumb::data {

namespace {

constexpr const char* kModel = "tokenizer.model";

// The class of transformers that reads what is written. Without a tokenizer.json it converts the .model file itself:
// LlamaTokenizer (4 and 5) as BPE, whatever the model is; SentencePieceBackend (5) asks `sentencepiece`, but puts no
// bos in front.
const char* class_of(const SentencePieceTokenizer* pieces) {
  if (!pieces || pieces->has_json()) return "PreTrainedTokenizerFast";
  return pieces->is_bpe() ? "LlamaTokenizer" : "SentencePieceBackend";
}

nlohmann::ordered_json config_of(const Tokenizer& tokenizer) {
  nlohmann::ordered_json config;
  const auto* pieces = dynamic_cast<const SentencePieceTokenizer*>(&tokenizer);
  config["tokenizer_class"] = class_of(pieces);
  const auto* file = dynamic_cast<const FileTokenizer*>(&tokenizer);
  if (!file) fail_internal("save_tokenizer: not a tokenizer of this library");
  const auto name = [&](const char* key, std::optional<int32_t> id) {
    if (id) config[key] = file->token_text(*id);
  };
  name("bos_token", tokenizer.bos());
  config["eos_token"] = nullptr;  // said in any case: where nothing is said of it, it has its usual name
  name("eos_token", tokenizer.eos());
  name("pad_token", tokenizer.pad());
  if (pieces) config["unk_token"] = pieces->token_text(pieces->unknown());
  config.update(file->other_roles());
  config["add_bos_token"] = file->adds_bos();
  config["add_eos_token"] = file->adds_eos();
  config["clean_up_tokenization_spaces"] = false;
  if (!pieces) return config;
  // A SentencePiece model stays what it is; a tokenizer.json beside it is for those that read no other.
  config["plumb_tokenizer_file"] = kModel;
  // LlamaTokenizer's earlier conversion puts a space behind each special token; the other class reads the model whole.
  config["legacy"] = !pieces->is_bpe();
  return config;
}

}  // namespace

std::map<std::string, std::string> tokenizer_files(const Tokenizer& tokenizer) {
  const auto config = [&] { return std::pair{"tokenizer_config.json", config_of(tokenizer).dump(2) + "\n"}; };
  if (const auto* pieces = dynamic_cast<const SentencePieceTokenizer*>(&tokenizer))
    return {{kModel, pieces->model_bytes()}, config()};
  std::map<std::string, std::string> files = {{"tokenizer.json", tokenizer.json()}};
  const bool of_a_file = dynamic_cast<const FileTokenizer*>(&tokenizer) != nullptr;  // else it has no names to keep
  if (of_a_file && tokenizer_of_files(files, "tokenizer")->digest() != tokenizer.digest()) files.insert(config());
  return files;
}

void save_tokenizer(const Tokenizer& tokenizer, const std::filesystem::path& folder,
                    const std::string& chat_template_jinja) {
  auto config = config_of(tokenizer);
  if (!chat_template_jinja.empty()) config["chat_template"] = chat_template_jinja;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail_input(folder.string(), "the folder cannot be made: " + error.message());
  if (const auto* pieces = dynamic_cast<const SentencePieceTokenizer*>(&tokenizer)) {
    core::write_text(folder / kModel, pieces->model_bytes());
    if (pieces->has_json()) core::write_text(folder / "tokenizer.json", tokenizer.json());
  } else {
    core::write_text(folder / "tokenizer.json", tokenizer.json());
  }
  core::write_text(folder / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace plumb::data
