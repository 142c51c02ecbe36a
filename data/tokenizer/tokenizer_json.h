// tokenizer.json -> the parts of a tokenizer. What this version does not read is refused by name, never skipped: a
// skipped component gives wrong ids in silence.
#pragma once

#include <memory>
#include <string>

#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/json_place.h"

namespace plumb::data {

// `file` stands for the text in messages.
TokenizerParts read_tokenizer_json(std::string text, const std::string& file);

// Its components (one function a component, so that a new kind is one more case).
struct ModelAndIds {
  std::unique_ptr<BpeModel> model;
  int64_t entries = 0;  // of the vocabulary object, as `tokenizers` counts them
};
ModelAndIds read_bpe_model(const JsonPlace& model);
void read_pre_tokenizer(const JsonPlace& pre_tokenizer, PreTokenizer& result);

// Finishes `parts` with the texts of bos, eos and pad; a text that is no token is an Error at `where`.
TokenizerPtr make_tokenizer(TokenizerParts parts, const SpecialTokens& specials, const std::string& where);
std::optional<int32_t> find_token(const TokenizerParts& parts, const std::string& text);

}  // namespace plumb::data
