// The Tokenizer of a byte-level BPE tokenizer.json.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/file_tokenizer.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/word_cache.h"

namespace plumb::data {

// What a tokenizer.json says, checked.
struct TokenizerParts {
  std::unique_ptr<BpeModel> model;
  std::vector<AddedToken> added;  // ids assigned
  bool nfc = false;
  PreTokenizer pre_tokenizer;
  std::vector<int32_t> prefix, suffix;  // what the post-processor puts around one text
  std::optional<int32_t> bos, eos, pad;
  std::string json;  // the file's own text
  std::string digest;
};

class BpeTokenizer final : public FileTokenizer {
 public:
  explicit BpeTokenizer(TokenizerParts parts);

  int64_t vocab_size() const override { return static_cast<int64_t>(texts_.size()); }
  using Tokenizer::encode;
  void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
              EncodeCounts* counts) const override;
  void encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special) const override;
  std::string token_bytes(int32_t id) const override;
  std::optional<int32_t> token_id(std::string_view token) const override;
  bool is_special(int32_t id) const override;
  std::optional<int32_t> bos() const override { return parts_.bos; }
  std::optional<int32_t> eos() const override { return parts_.eos; }
  std::optional<int32_t> pad() const override { return parts_.pad; }
  std::string digest() const override { return parts_.digest; }
  std::string json() const override { return parts_.json; }

  std::string token_text(int32_t id) const override;
  bool adds_bos() const override;
  bool adds_eos() const override;

 private:
  void encode_text(std::string_view text, WordCache& cache, std::vector<int32_t>& ids) const;

  TokenizerParts parts_;
  AddedTokenMatcher raw_, normalized_;  // searched before and after normalisation
  std::vector<std::string> texts_;      // by id, as in the file
  std::vector<std::string> bytes_;      // by id, as in text
  std::vector<bool> special_;
  std::unordered_map<std::string, int32_t> added_ids_;
  uint64_t serial_;  // never reused: owner of cached words
};

}  // namespace plumb::data
