// Keys of `model` and `tokenizer`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using M = ModelSection;
using T = TokenizerSection;

// Present only when the file gives it.
template <int which>
Target special_token(void* owner, bool create) {
  static constexpr const char* names[] = {"bos", "eos", "pad"};
  auto& tokens = static_cast<Config*>(owner)->tokenizer.special_tokens;
  if (!create && !tokens.contains(names[which])) return {};
  return &tokens[names[which]];
}

std::vector<Key> tokenizer_keys() {
  return {
      {.address = "tokenizer.type",
       .type = Type::word,
       .fallback = "file",
       .meaning =
           "`file` reads `tokenizer.path`; `bytes` is 256 bytes and the special tokens; `bpe` trains byte-level BPE "
           "on `data.sources` once, cached by content.",
       .bind = at<&C::tokenizer, &T::type>,
       .words = "file bytes bpe",
       .peers = "MG --tokenizer-type"},
      {.address = "tokenizer.path",
       .type = Type::path,
       .default_note = "the base's",
       .meaning = "A `tokenizer.json` or its folder.",
       .bind = at<&C::tokenizer, &T::path>,
       .peers = "AX tokenizer_config | TUNE tokenizer.path | LLF tokenizer.name",
       .must_exist = true},
      {.address = "tokenizer.vocab_size",
       .type = Type::count,
       .fallback = "32768",
       .meaning = "Entries of the `bpe` to train, special tokens included.",
       .bind = at<&C::tokenizer, &T::vocab_size>,
       .least = 257,
       .most = 4194304},
      {.address = "tokenizer.special_tokens.bos",
       .type = Type::text,
       .default_note = "the file's",
       .meaning = "The token in front of a document.",
       .bind = special_token<0>,
       .peers = "AX special_tokens.bos_token"},
      {.address = "tokenizer.special_tokens.eos",
       .type = Type::text,
       .default_note = "the file's",
       .meaning = "The token that ends a document and an answer.",
       .bind = special_token<1>,
       .peers = "AX special_tokens.eos_token"},
      {.address = "tokenizer.special_tokens.pad",
       .type = Type::text,
       .default_note = "the file's",
       .meaning = "The token that fills a sequence; masks go by position, so pad = eos does no harm.",
       .bind = special_token<2>,
       .peers = "AX special_tokens.pad_token"},
      {.address = "tokenizer.special_tokens.extra",
       .type = Type::texts,
       .fallback = "[]",
       .meaning = "Further special tokens of a tokenizer that is trained.",
       .bind = at<&C::tokenizer, &T::extra_special_tokens>},
      {.address = "tokenizer.special_in_text",
       .type = Type::word,
       .fallback = "text",
       .meaning = "The text of a special token inside a document is `text` (counted) or becomes the `token`.",
       .bind = at<&C::tokenizer, &T::special_in_text>,
       .words = "text token"},
      {.address = "tokenizer.chat_template",
       .type = Type::word,
       .fallback = "auto",
       .meaning =
           "`auto` is the base's own if it is known; one object for training, evaluation, generation and export.",
       .bind = at<&C::tokenizer, &T::chat_template>,
       .words = "auto chatml llama3 alpaca dolly plain",
       .peers = "AX chat_template | LF template | TUNE prompt_template"},
  };
}

std::vector<Key> shape_keys() {
  return {
      {.address = "model.hidden_size",
       .type = Type::integer,
       .default_note = "the preset's",
       .meaning = "Width of the residual stream.",
       .bind = at<&C::model, &M::hidden_size>,
       .least = 1,
       .most = 1048576,
       .peers = "MG --hidden-size | HF n_embd"},
      {.address = "model.intermediate_size",
       .type = Type::integer,
       .default_note = "the preset's",
       .meaning = "Width inside the MLP.",
       .bind = at<&C::model, &M::intermediate_size>,
       .least = 1,
       .most = 4194304,
       .peers = "MG --ffn-hidden-size"},
      {.address = "model.num_hidden_layers",
       .type = Type::integer,
       .default_note = "the preset's",
       .meaning = "Decoder blocks.",
       .bind = at<&C::model, &M::num_hidden_layers>,
       .least = 1,
       .most = 10000,
       .peers = "MG --num-layers | HF n_layer"},
      {.address = "model.num_attention_heads",
       .type = Type::integer,
       .default_note = "the preset's",
       .meaning = "Query heads.",
       .bind = at<&C::model, &M::num_attention_heads>,
       .least = 1,
       .most = 65536,
       .peers = "HF n_head"},
      {.address = "model.num_key_value_heads",
       .type = Type::integer,
       .default_note = "the preset's, or num_attention_heads",
       .meaning = "Key and value heads (grouped query attention).",
       .bind = at<&C::model, &M::num_key_value_heads>,
       .least = 1,
       .most = 65536,
       .peers = "MG --num-query-groups"},
      {.address = "model.head_dim",
       .type = Type::integer,
       .default_note = "hidden_size / num_attention_heads",
       .meaning = "Width of one head.",
       .bind = at<&C::model, &M::head_dim>,
       .least = 1,
       .most = 65536,
       .peers = "MG --kv-channels"},
      {.address = "model.max_position_embeddings",
       .type = Type::integer,
       .default_note = "the preset's, or data.sequence_length",
       .meaning = "Positions the model is made for.",
       .bind = at<&C::model, &M::max_position_embeddings>,
       .least = 1,
       .most = 1073741824,
       .peers = "MG --max-position-embeddings | HF n_positions"},
  };
}

std::vector<Key> detail_keys() {
  return {
      {.address = "model.vocab_size",
       .type = Type::count,
       .default_note = "the tokenizer's",
       .meaning =
           "Rows of the embedding; smaller than the tokenizer is an error, padding for speed is internal and never "
           "exported.",
       .bind = at<&C::model, &M::vocab_size>,
       .least = 1,
       .most = 1073741824,
       .peers = "MG --make-vocab-size-divisible-by"},
      {.address = "model.rope_theta",
       .type = Type::number,
       .default_note = "the preset's, or 10000",
       .meaning = "Base of the rotary position angles.",
       .bind = at<&C::model, &M::rope_theta>,
       .above = 0,
       .peers = "MG --rotary-base"},
      {.address = "model.rms_norm_eps",
       .type = Type::number,
       .default_note = "the preset's, or 1e-5",
       .meaning = "Added to the mean square before its root.",
       .bind = at<&C::model, &M::rms_norm_eps>,
       .above = 0,
       .below = 1,
       .peers = "MG --norm-epsilon"},
      {.address = "model.tie_word_embeddings",
       .type = Type::boolean,
       .default_note = "the preset's, or false",
       .meaning = "The head uses the embedding's matrix.",
       .bind = at<&C::model, &M::tie_word_embeddings>},
      {.address = "model.initializer_range",
       .type = Type::number,
       .default_note = "0.02",
       .meaning = "Standard deviation of the initial weights.",
       .bind = at<&C::model, &M::initializer_range>,
       .above = 0,
       .peers = "MG --init-method-std"},
      {.address = "model.attention_dropout",
       .type = Type::number,
       .default_note = "0",
       .meaning = "Dropout of attention probabilities, a function of (seed, step, sample, layer).",
       .bind = at<&C::model, &M::attention_dropout>,
       .least = 0,
       .below = 1},
      {.address = "model.hidden_dropout",
       .type = Type::number,
       .default_note = "0",
       .meaning = "Dropout of what a block adds to the residual stream.",
       .bind = at<&C::model, &M::hidden_dropout>,
       .least = 0,
       .below = 1},
  };
}

std::vector<Key> origin_keys() {
  return {
      {.address = "model.preset",
       .type = Type::text,
       .meaning =
           "The shape of a published model (`plumb params` lists them); any shape key beside it wins and is printed. "
           "Exactly one of `preset`, `base`, `family`.",
       .bind = at<&C::model, &M::preset>,
       .peers = "TT model.flavor"},
      {.address = "model.base",
       .type = Type::path,
       .meaning =
           "A plumb run (its newest good step), `RUN/step-N`, or a Hugging Face folder; required by `tune`, refused "
           "by `train`.",
       .bind = at<&C::model, &M::base>,
       .peers = "AX base_model | LF model_name_or_path | TUNE checkpointer.checkpoint_dir checkpoint_files | LLF "
                "model.pretrained_model_name_or_path | HF from_pretrained",
       .must_exist = true},
      {.address = "model.family",
       .type = Type::word,
       .meaning = "The architecture of a model described key by key.",
       .bind = at<&C::model, &M::family>,
       .words = "llama",
       .later = "gpt2 gpt_neox gptj opt bloom mistral qwen2 qwen3 gemma phi3 exaone olmo2 mixtral bert roberta t5",
       .peers = "HF model_type"},
  };
}

}  // namespace

std::vector<Key> model_keys() {
  return joined({origin_keys(), shape_keys(), detail_keys(), tokenizer_keys(), extend_keys()});
}

}  // namespace plumb::config
