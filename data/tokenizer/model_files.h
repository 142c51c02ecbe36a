// Tokenizers in other files than tokenizer.json: SentencePiece's .model and tiktoken's ranks.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

// What stands beside the file.
struct BesideFile {
  SpecialTokens named;
  std::optional<bool> add_bos, add_eos;
  nlohmann::ordered_json other_roles = nlohmann::ordered_json::object();  // of FileTokenizer
  bool configured = false, says_eos = false;  // a file was there; it says which token is eos, or that none is
};

// Lines of "base64 rank".
bool looks_like_tiktoken(std::string_view bytes);
// The pattern and the special tokens come from "<file>.json" beside it ({"pattern": ..., "special_tokens": {...}}), or
// are known by the file's name and number of ranks; else an Error that says so. The result is the tokenizer of an equal
// tokenizer.json.
TokenizerPtr load_tiktoken(const std::filesystem::path& file, const std::string& bytes, const BesideFile& beside);
// The tokenizer.json of mergeable ranks: (bytes, rank).
struct TiktokenEncoding {
  std::vector<std::pair<std::string, int64_t>> ranks;
  std::string pattern;
  std::vector<std::pair<std::string, int64_t>> special_tokens;
};
std::string tiktoken_json(const TiktokenEncoding& encoding, const std::string& where);

TokenizerPtr load_sentencepiece(const std::filesystem::path& file, const std::string& bytes, const BesideFile& beside);
// A tokenizer.json that gives the same ids, or "" where none can.
std::string sentencepiece_json(const SentencePieceFile& file);

}  // namespace plumb::data
