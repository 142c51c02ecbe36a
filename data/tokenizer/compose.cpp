#include "data/tokenizer/compose.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

using Json = nlohmann::ordered_json;

Json byte_level(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

// What is put around a text: bos in front where the tokenizer has one.
Json post_processor(const Composition& composition, const SpecialTokens& specials) {
  if (specials.bos.empty()) return byte_level(false, true);
  const auto bos = std::find_if(composition.special_tokens.begin(), composition.special_tokens.end(),
                                [&](const auto& token) { return token.first == specials.bos; });
  const auto special = [&](int type) { return Json{{"SpecialToken", {{"id", specials.bos}, {"type_id", type}}}}; };
  const auto sequence = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  const Json tokens = {
      {specials.bos,
       {{"id", specials.bos}, {"ids", Json::array({bos->second})}, {"tokens", Json::array({specials.bos})}}}};
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(0), sequence("A", 0)})},
          {"pair", Json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)})},
          {"special_tokens", tokens}};
}

}  // namespace

std::vector<std::string> special_texts(SpecialTokens& specials) {
  if (specials.eos.empty()) specials.eos = "<|endoftext|>";
  std::vector<std::string> texts;
  const auto add = [&](const std::string& text) {
    if (text.empty()) return;
    if (!is_valid_utf8(text)) fail_input("tokenizer.special_tokens", "expected UTF-8, found invalid bytes");
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  };
  for (const auto* text : {&specials.bos, &specials.eos, &specials.pad}) add(*text);
  for (const auto& text : specials.extra) add(text);
  return texts;
}

TokenizerPtr compose_tokenizer(const Composition& composition, const SpecialTokens& specials) {
  Json added = Json::array();
  for (const auto& [text, id] : composition.special_tokens)
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  Json vocabulary = Json::object();
  auto& members = vocabulary.get_ref<Json::object_t&>();  // not operator[]: it would search all keys for each key
  for (size_t id = 0; id < composition.vocabulary.size(); ++id)
    members.push_back({composition.vocabulary[id], static_cast<int64_t>(id)});
  Json merges = Json::array();
  for (const auto& [left, right] : composition.merges) merges.push_back(Json::array({left, right}));
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level(false, composition.use_regex)},
                     {"post_processor", post_processor(composition, specials)},
                     {"decoder", byte_level(true, true)},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false},
                       {"vocab", std::move(vocabulary)},
                       {"merges", std::move(merges)}}}};
  return tokenizer_of_json(json.dump(2), "tokenizer.json", specials, UsualNames::none, "tokenizer.special_tokens");
}

TokenizerPtr bytes_tokenizer(const SpecialTokens& given) {
  SpecialTokens specials = given;
  Composition composition;
  composition.use_regex = false;
  for (int byte = 0; byte < 256; ++byte)
    composition.vocabulary.push_back(to_byte_level(std::string(1, static_cast<char>(byte))));
  int64_t id = 256;
  for (const std::string& text : special_texts(specials)) {
    const auto known = std::find(composition.vocabulary.begin(), composition.vocabulary.end(), text);
    if (known != composition.vocabulary.end())
      fail_input("tokenizer.special_tokens",
                 "expected a text of its own, found \"" + text + "\", which stands for a byte");
    composition.special_tokens.emplace_back(text, id++);
  }
  return compose_tokenizer(composition, specials);
}

}  // namespace plumb::data
