// load_tokenizer: the file of a tokenizer, or a folder with one and its tokenizer_config.json.
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/model_files.h"
#include "data/tokenizer/tokenizer_json.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;

// "<s>" or {"content": "<s>", ...}
std::string token_text(const JsonPlace& config, const char* key) {
  const auto token = config.find(key);
  if (!token) return "";
  return token->value().is_object() ? token->at("content").text() : token->text();
}

void take_named(const nlohmann::ordered_json& json, const std::string& file, BesideFile& beside) {
  const JsonPlace config(json, file);
  config.object();
  beside.configured = true;
  const auto take = [&](std::string& into, const char* key) {
    if (into.empty()) into = token_text(config, key);
  };
  take(beside.named.bos, "bos_token");
  take(beside.named.eos, "eos_token");
  take(beside.named.pad, "pad_token");
  for (const char* key : {"unk_token", "sep_token", "cls_token", "mask_token"}) {
    if (!token_text(config, key).empty() && !beside.other_roles.contains(key)) beside.other_roles[key] = json.at(key);
  }
  beside.says_eos = beside.says_eos || json.contains("eos_token");
  if (const auto add = config.find("add_bos_token")) beside.add_bos = add->boolean();
  if (const auto add = config.find("add_eos_token")) beside.add_eos = add->boolean();
}

UsualNames usual_names(const BesideFile& beside) {
  if (!beside.configured) return UsualNames::all;
  return beside.says_eos ? UsualNames::none : UsualNames::eos;
}

// A folder that save_tokenizer wrote says which of its files is the tokenizer itself.
std::string named_file(const fs::path& folder) {
  const fs::path config = folder / "tokenizer_config.json";
  std::error_code ignored;
  if (!fs::exists(config, ignored)) return "";
  const auto json = core::parse_json_file(config, uint64_t{64} << 20);
  const auto name = JsonPlace(json, config.string()).object().find("plumb_tokenizer_file");
  return name && name->text() == "tokenizer.model" ? name->text() : "";
}

fs::path tokenizer_file(const fs::path& given) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) return given;
  if (const std::string name = named_file(given); !name.empty()) return given / name;
  for (const char* name : {"tokenizer.json", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "spm.model",
                           "tiktoken.model", "qwen.tiktoken"})
    if (fs::exists(given / name, ignored)) return given / name;
  std::string hint = "give the folder or file of a Hugging Face tokenizer";
  if (fs::exists(given / "vocab.json", ignored) || fs::exists(given / "vocab.txt", ignored))
    hint = "vocab.json or vocab.txt is the older form: save the tokenizer with transformers to get tokenizer.json";
  fail_input(given.string(), "expected a tokenizer.json or tokenizer.model in the folder, found none", hint);
}

}  // namespace

TokenizerPtr load_tokenizer(const fs::path& file_or_folder, const SpecialTokens& specials) {
  const fs::path file = tokenizer_file(file_or_folder);
  BesideFile beside;
  beside.named = specials;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    std::error_code ignored;
    const fs::path config = file.parent_path() / name;
    if (!fs::exists(config, ignored)) continue;
    take_named(core::parse_json_file(config, uint64_t{64} << 20), config.string(), beside);
  }
  std::string bytes = core::read_text(file);
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool json = file.extension() == ".json" ||
                    (file.extension() != ".model" && first != std::string::npos && bytes[first] == '{');
  if (json)
    return tokenizer_of_json(std::move(bytes), file.string(), beside.named, usual_names(beside), file.string(),
                             beside.other_roles);
  if (looks_like_tiktoken(bytes)) return load_tiktoken(file, bytes, beside);
  return load_sentencepiece(file, bytes, beside);
}

TokenizerPtr tokenizer_of_files(const std::map<std::string, std::string>& files, const std::string& where) {
  const auto place = [&](const char* name) { return (fs::path(where) / name).string(); };
  const auto model = files.find("tokenizer.model"), json = files.find("tokenizer.json");
  const auto config = files.find("tokenizer_config.json");
  if (model == files.end() && json == files.end()) fail_input(where, "holds no tokenizer");
  BesideFile beside;
  if (config != files.end()) {
    take_named(core::parse_json(config->second, place("tokenizer_config.json")), place("tokenizer_config.json"),
               beside);
  }
  if (model != files.end()) return load_sentencepiece(place("tokenizer.model"), model->second, beside);
  return tokenizer_of_json(json->second, place("tokenizer.json"), beside.named, usual_names(beside),
                           place("tokenizer.json"), beside.other_roles);
}

}  // namespace plumb::data
