// tokenizer.json -> a tokenizer. What is not known is refused by name, never skipped: a skipped component gives wrong
// ids in silence. Byte-level BPE whose other components only cut text goes the fast way (BpeTokenizer), every other
// file the general one (PipelineTokenizer).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/json_place.h"
#include "data/tokenizer/pipeline_tokenizer.h"

namespace plumb::data {

// Which of bos, eos and pad, where `specials` leaves them out, are the tokens that published tokenizers call so. The
// tokenizer_config.json of GPT-2 says nothing of them, and its class in transformers knows the end of a text alone.
enum class UsualNames { none, eos, all };
// `file` stands for the text in messages. A text that is no token is an Error at `where`. `roles`: for keep_roles.
TokenizerPtr tokenizer_of_json(std::string text, const std::string& file, const SpecialTokens& specials,
                               UsualNames usual, const std::string& where,
                               const nlohmann::ordered_json& roles = nlohmann::ordered_json::object());

// Its parts (one function a component, so that a new kind is one more case).
bool has_fast_form(const JsonPlace& root);
PipelineParts read_pipeline(const JsonPlace& root);

struct ModelAndIds {
  std::unique_ptr<BpeModel> model;
  int64_t entries = 0;  // of the vocabulary object, as `tokenizers` counts them
};
ModelAndIds read_bpe_model(const JsonPlace& model);
void read_pre_tokenizer(const JsonPlace& pre_tokenizer, PreTokenizer& result);  // of a file with the fast form

// `id_of`: id of a text in the vocabulary or -1; `entries`: of the vocabulary.
using IdOf = std::function<int32_t(std::string_view)>;
std::vector<AddedToken> read_added_tokens(const JsonPlace& list, const IdOf& id_of, int64_t entries);
// What stands around one text. `has`: whether an id is a token's.
struct Surroundings {
  std::vector<int32_t> prefix, suffix;
};
void read_post_processor(const JsonPlace& place, const std::function<bool(int32_t)>& has, Surroundings& around);

}  // namespace plumb::data
