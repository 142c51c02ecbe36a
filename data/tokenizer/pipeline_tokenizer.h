// The Tokenizer of any tokenizer.json: normalizer, pre-tokenizer, model, post-processor and decoder as its file has
// them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/decoder.h"
#include "data/tokenizer/file_tokenizer.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/text_pre_tokenizer.h"
#include "data/tokenizer/token_model.h"

namespace plumb::data {

struct PipelineParts {
  NormalizerPtr normalizer;           // may be none
  bool llama_spaces = false;          // the normalizer is that of Llama-2: U+2581 in front and for each space
  TextPreTokenizerPtr pre_tokenizer;  // may be none
  TokenModelPtr model;
  DecoderPtr decoder;                   // may be none: texts of tokens with spaces between
  std::vector<AddedToken> added;        // ids assigned
  std::vector<int32_t> prefix, suffix;  // what the post-processor puts around one text
  std::optional<int32_t> bos, eos, pad;
  std::string json;  // the file's own text
  std::string digest;
};

class PipelineTokenizer final : public FileTokenizer {
 public:
  explicit PipelineTokenizer(PipelineParts parts);

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
  void encode_normalized(TextPiece piece, bool as_text, std::vector<int32_t>& ids) const;
  void encode_in_parts(std::string_view text, std::vector<int32_t>& ids) const;
  void encode_llama(std::string_view text, std::vector<int32_t>& ids) const;
  std::string join(std::vector<std::string> tokens) const;
  bool has(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < known_.size() && known_[static_cast<size_t>(id)];
  }

  PipelineParts parts_;
  AddedTokenMatcher raw_, normalized_;           // searched before and after normalisation
  std::vector<std::string> texts_;               // by id, as they are decoded
  std::vector<bool> known_, special_, skipped_;  // skipped: by decode without special tokens
  std::unordered_map<std::string, int32_t> added_ids_;
  std::vector<bool> never_;  // special tokens of the vocabulary: their text in a document is no token
  uint64_t serial_;          // never reused: owner of cached pieces
  uint64_t text_serial_;     // the same of pieces of text without special tokens
  bool raw_spaces_ = false;  // the model reads text as it was before the normalizer
};

}  // namespace plumb::data
