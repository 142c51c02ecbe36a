// load_tokenizer: a tokenizer.json, or a folder with it and its tokenizer_config.json.
#include <algorithm>
#include <initializer_list>

#include "core/files.h"
#include "core/json.h"
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

void take_named(const fs::path& file, SpecialTokens& named) {
  const auto json = core::parse_json_file(file, uint64_t{64} << 20);
  const JsonPlace config(json, file.string());
  config.object();
  const auto take = [&](std::string& into, const char* key) {
    if (into.empty()) into = token_text(config, key);
  };
  take(named.bos, "bos_token");
  take(named.eos, "eos_token");
  take(named.pad, "pad_token");
}

// A tokenizer.json alone does not say which token ends a document; the names that published tokenizers use do.
void take_usual(const TokenizerParts& parts, SpecialTokens& named) {
  const auto take = [&](std::string& into, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const bool found = std::any_of(parts.added.begin(), parts.added.end(),
                                     [&](const AddedToken& token) { return token.special && token.content == name; });
      if (into.empty() && found) into = name;
    }
  };
  take(named.bos, {"<s>", "<|begin_of_text|>"});
  take(named.eos, {"</s>", "<|end_of_text|>", "<|endoftext|>"});
  take(named.pad, {"<pad>", "<|padding|>", "<|pad|>"});
}

fs::path tokenizer_file(const fs::path& given) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) return given;
  if (fs::exists(given / "tokenizer.json", ignored)) return given / "tokenizer.json";
  std::string hint = "give the folder or file of a Hugging Face tokenizer";
  if (fs::exists(given / "tokenizer.model", ignored))
    hint = "tokenizer.model (SentencePiece, as Llama-2 has it) is not supported";
  if (fs::exists(given / "vocab.json", ignored))
    hint = "vocab.json with merges.txt is the older form: save the tokenizer with transformers to get tokenizer.json";
  fail_input(given.string(), "expected a tokenizer.json in the folder, found none", hint);
}

}  // namespace

TokenizerPtr load_tokenizer(const fs::path& file_or_folder, const SpecialTokens& specials) {
  const fs::path file = tokenizer_file(file_or_folder);
  TokenizerParts parts = read_tokenizer_json(core::read_text(file), file.string());
  SpecialTokens named = specials;
  bool configured = false;
  for (const char* beside : {"tokenizer_config.json", "special_tokens_map.json"}) {
    std::error_code ignored;
    const fs::path config = file.parent_path() / beside;
    if (!fs::exists(config, ignored)) continue;
    take_named(config, named);
    configured = true;
  }
  if (!configured) take_usual(parts, named);
  return make_tokenizer(std::move(parts), named, file.string());
}

}  // namespace plumb::data
