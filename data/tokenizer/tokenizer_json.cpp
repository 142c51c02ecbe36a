#include "data/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>

#include "core/hash.h"
#include "core/json.h"
#include "data/tokenizer/byte_level.h"

namespace plumb::data {

namespace {

// Only NFC, alone or in sequences.
bool only_nfc(const JsonPlace& place) {
  if (place.at("type").text() == "NFC") return true;
  if (place.at("type").text() != "Sequence") return false;
  const JsonPlace list = place.at("normalizers").array();
  for (size_t i = 0; i < list.size(); ++i)
    if (!only_nfc(list[i])) return false;
  return list.size() > 0;
}

// Cuts, and ByteLevel as the last one. `closed`: ByteLevel was met.
bool only_cuts(const JsonPlace& place, bool& closed) {
  const std::string& type = place.at("type").text();
  if (closed) return false;
  if (type == "ByteLevel") return closed = true;
  if (type == "Digits") return true;
  if (type == "Split") {
    const auto literal = place.at("pattern").find("String");
    return !literal || !literal->text().empty();
  }
  if (type != "Sequence") return false;
  const JsonPlace list = place.at("pretokenizers").array();
  for (size_t i = 0; i < list.size(); ++i)
    if (!only_cuts(list[i], closed)) return false;
  return true;
}

// ByteLevel makes one text, which Fuse leaves alone.
bool only_byte_level(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "ByteLevel") return true;
  if (type != "Sequence") return false;
  const JsonPlace list = place.at("decoders").array();
  bool first = true;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string& part = list[i].at("type").text();
    if (part != (first ? "ByteLevel" : "Fuse")) return false;
    first = false;
  }
  return !first;
}

bool byte_level_model(const JsonPlace& model) {
  if (model_type(model) != "BPE" || !model.at("vocab").value().is_object()) return false;
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text(affix, "").empty()) return false;
  if (!model.boolean("byte_fallback", false)) return true;
  const auto& vocab = model.at("vocab").value();  // with all bytes there is nothing to fall back from
  for (int byte = 0; byte < 256; ++byte)
    if (!vocab.contains(to_byte_level(std::string(1, static_cast<char>(byte))))) return false;
  return true;
}

void check_version(const JsonPlace& root) {
  const auto version = root.find("version");
  if (version && version->text() != "1.0") version->expected("the version \"1.0\"");
}

// A tokenizer.json alone does not say which token ends a document; the names that published tokenizers use do.
void take_usual(const std::vector<AddedToken>& added, UsualNames usual, SpecialTokens& named) {
  const auto take = [&](std::string& into, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      const bool found = std::any_of(added.begin(), added.end(),
                                     [&](const AddedToken& token) { return token.special && token.content == name; });
      if (into.empty() && found) into = name;
    }
  };
  if (usual != UsualNames::none) take(named.eos, {"</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>"});
  if (usual != UsualNames::all) return;
  take(named.bos, {"<s>", "<|begin_of_text|>", "<bos>"});
  take(named.pad, {"<pad>", "<|padding|>", "<|pad|>", "[PAD]"});
}

template <class Parts>
void name_specials(Parts& parts, const IdOf& id_of, const std::string& canonical, const SpecialTokens& specials,
                   const std::string& where) {
  const auto find = [&](const std::string& text, const char* role) -> std::optional<int32_t> {
    if (text.empty()) return std::nullopt;
    for (const AddedToken& token : parts.added)
      if (token.content == text) return token.id;
    const int32_t id = id_of(text);
    if (id < 0)
      fail_input(where, fmt::format("expected a token of the vocabulary for {}, found \"{}\"", role, text),
                 "tokenizer.special_tokens and tokenizer_config.json name tokens that exist");
    return id;
  };
  parts.bos = find(specials.bos, "bos");
  parts.eos = find(specials.eos, "eos");
  parts.pad = find(specials.pad, "pad");
  for (const std::string& extra : specials.extra) find(extra, "special_tokens.extra");
  // Which tokens begin, end and fill a text decides about ids as much as the vocabulary does.
  std::string identity = canonical;
  for (const auto& id : {parts.bos, parts.eos, parts.pad}) identity += fmt::format("\n{}", id.value_or(-1));
  parts.digest = core::sha256(identity);
}

template <class Parts>
void read_around(const JsonPlace& root, const IdOf& id_of, int64_t entries,
                 const std::function<bool(int32_t)>& in_vocabulary, Parts& parts) {
  if (const auto added = root.find("added_tokens")) parts.added = read_added_tokens(*added, id_of, entries);
  const auto post = root.find("post_processor");
  if (!post) return;
  Surroundings around;
  const auto has = [&](int32_t id) {
    return in_vocabulary(id) ||
           std::any_of(parts.added.begin(), parts.added.end(), [&](const AddedToken& token) { return token.id == id; });
  };
  read_post_processor(*post, has, around);
  parts.prefix = std::move(around.prefix);
  parts.suffix = std::move(around.suffix);
}

TokenizerParts read_fast(const JsonPlace& root) {
  TokenizerParts parts;
  parts.nfc = root.find("normalizer").has_value();
  ModelAndIds base = read_bpe_model(root.at("model"));
  parts.model = std::move(base.model);
  read_pre_tokenizer(root.at("pre_tokenizer"), parts.pre_tokenizer);
  const BpeModel& model = *parts.model;
  const auto in_vocabulary = [&](int32_t id) {
    return static_cast<size_t>(id) < model.tokens().size() && !model.tokens()[static_cast<size_t>(id)].empty();
  };
  read_around(
      root, [&](std::string_view text) { return model.id(text); }, base.entries, in_vocabulary, parts);
  return parts;
}

}  // namespace

bool has_fast_form(const JsonPlace& root) {
  const auto normalizer = root.find("normalizer"), cuts = root.find("pre_tokenizer"), decoder = root.find("decoder");
  bool closed = false;
  return cuts && decoder && (!normalizer || only_nfc(*normalizer)) && only_cuts(*cuts, closed) && closed &&
         only_byte_level(*decoder) && byte_level_model(root.at("model").object());
}

bool is_llama_normalizer(const nlohmann::ordered_json& normalizer) {
  const nlohmann::ordered_json llama = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", "\u2581"}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}}}};
  return nlohmann::json(normalizer) == nlohmann::json(llama);  // the order of keys says nothing
}

PipelineParts read_pipeline(const JsonPlace& root) {
  PipelineParts parts;
  if (const auto normalizer = root.find("normalizer")) {
    parts.normalizer = read_normalizer(*normalizer);
    parts.llama_spaces = is_llama_normalizer(normalizer->value());
  }
  if (const auto cuts = root.find("pre_tokenizer")) parts.pre_tokenizer = read_text_pre_tokenizer(*cuts);
  if (const auto decoder = root.find("decoder")) parts.decoder = read_decoder(*decoder);
  parts.model = read_token_model(root.at("model"));
  const Vocabulary& vocabulary = parts.model->vocabulary();
  read_around(
      root, [&](std::string_view text) { return vocabulary.id(text); }, static_cast<int64_t>(vocabulary.entries()),
      [&](int32_t id) { return vocabulary.has(id); }, parts);
  return parts;
}

TokenizerPtr tokenizer_of_json(std::string text, const std::string& file, const SpecialTokens& specials,
                               UsualNames usual, const std::string& where, const nlohmann::ordered_json& roles) {
  const auto json = core::parse_json(text, file);
  const JsonPlace root(json, file);
  root.object();
  check_version(root);
  SpecialTokens named = specials;
  const auto finish = [&](auto& parts, const IdOf& id_of) {
    take_usual(parts.added, usual, named);
    parts.json = std::move(text);
    name_specials(parts, id_of, json.dump(), named, where);
  };
  if (has_fast_form(root)) {
    TokenizerParts parts = read_fast(root);
    finish(parts, [&](std::string_view token) { return parts.model->id(token); });
    const auto tokenizer = std::make_shared<BpeTokenizer>(std::move(parts));
    tokenizer->keep_roles(roles);
    return tokenizer;
  }
  PipelineParts parts = read_pipeline(root);
  finish(parts, [&](std::string_view token) { return parts.model->vocabulary().id(token); });
  const auto tokenizer = std::make_shared<PipelineTokenizer>(std::move(parts));
  tokenizer->keep_roles(roles);
  return tokenizer;
}

}  // namespace plumb::data
