#include "data/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <set>

#include "core/hash.h"
#include "core/json.h"

namespace plumb::data {

namespace {

constexpr const char* kSupported = "this version reads byte-level BPE (GPT-2, RoBERTa, GPT-NeoX, Llama-3, Qwen2, ...)";

// Only NFC, alone or in sequences.
bool read_normalizer(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "NFC") return true;
  if (type == "Sequence") {
    const JsonPlace list = place.at("normalizers");
    list.array();
    bool nfc = false;
    for (size_t i = 0; i < list.size(); ++i) nfc |= read_normalizer(list[i]);
    return nfc;
  }
  const bool llama2 = type == "Prepend" || type == "Replace";
  place.fail(fmt::format("normalizer {} is not supported{}", type,
                         llama2 ? " (Llama-2 and other SentencePiece tokenizers)" : ""),
             kSupported);
}

void read_decoder(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "ByteLevel" || type == "Fuse") return;  // ByteLevel makes one text, which Fuse leaves alone
  if (type != "Sequence") place.fail(fmt::format("decoder {} is not supported", type), kSupported);
  const JsonPlace list = place.at("decoders");
  list.array();
  for (size_t i = 0; i < list.size(); ++i) read_decoder(list[i]);
}

// `tokenizers` gives an added token the id that its text has in the vocabulary, else the next free one, whatever the
// file says; a file that says otherwise would mean one thing here and another there.
std::vector<AddedToken> read_added_tokens(const JsonPlace& list, const ModelAndIds& base) {
  list.array();
  std::vector<AddedToken> added;
  std::set<std::string> contents;
  int64_t largest = -1;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonPlace place = list[i];
    AddedToken token;
    token.content = place.at("content").text();
    token.special = place.boolean("special", false);
    token.single_word = place.boolean("single_word", false);
    token.lstrip = place.boolean("lstrip", false);
    token.rstrip = place.boolean("rstrip", false);
    token.normalized = place.boolean("normalized", !token.special);
    const int64_t id = place.at("id").integer(0, INT32_MAX);
    if (token.content.empty()) place.fail("expected a token with text, found an empty one");
    if (!contents.insert(token.content).second)
      place.fail(fmt::format("expected each added token once, found \"{}\" again", token.content));
    const int32_t known = base.model->id(token.content);
    const int64_t next = largest >= base.entries ? largest + 1 : base.entries;
    const int64_t assigned = known >= 0 ? known : next;
    if (id != assigned)
      place.fail(fmt::format("expected id {} for \"{}\", found {}", assigned, token.content, id),
                 known >= 0 ? "the token has another id in model.vocab"
                            : "ids of added tokens follow the vocabulary without gaps, in the order of the list");
    token.id = static_cast<int32_t>(assigned);
    largest = std::max(largest, assigned);
    added.push_back(std::move(token));
  }
  return added;
}

int32_t known_id(const JsonPlace& id, const TokenizerParts& parts) {
  const auto value = static_cast<int32_t>(id.integer(0, INT32_MAX));
  const auto& tokens = parts.model->tokens();
  const bool in_vocabulary = static_cast<size_t>(value) < tokens.size() && !tokens[static_cast<size_t>(value)].empty();
  const bool in_added =
      std::any_of(parts.added.begin(), parts.added.end(), [&](const AddedToken& token) { return token.id == value; });
  if (!in_vocabulary && !in_added) id.expected("the id of a token");
  return value;
}

void read_template(const JsonPlace& place, TokenizerParts& parts) {
  const JsonPlace single = place.at("single");
  single.array();
  std::vector<int32_t> prefix, suffix;
  int sequences = 0;
  for (size_t i = 0; i < single.size(); ++i) {
    if (single[i].find("Sequence")) {
      ++sequences;
      continue;
    }
    const std::string& name = single[i].at("SpecialToken").at("id").text();
    const JsonPlace ids = place.at("special_tokens").at(name).at("ids");
    ids.array();
    for (size_t k = 0; k < ids.size(); ++k) (sequences ? suffix : prefix).push_back(known_id(ids[k], parts));
  }
  if (sequences != 1) single.fail(fmt::format("expected one Sequence, found {}", sequences));
  parts.prefix.insert(parts.prefix.begin(), prefix.begin(), prefix.end());
  parts.suffix.insert(parts.suffix.end(), suffix.begin(), suffix.end());
}

void read_post_processor(const JsonPlace& place, TokenizerParts& parts) {
  const std::string& type = place.at("type").text();
  if (type == "ByteLevel") return;  // moves offsets, no ids
  if (type == "Sequence") {
    const JsonPlace list = place.at("processors");
    list.array();
    for (size_t i = 0; i < list.size(); ++i) read_post_processor(list[i], parts);
  } else if (type == "TemplateProcessing") {
    read_template(place, parts);
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    const JsonPlace first = place.at("cls"), last = place.at("sep");
    for (const JsonPlace& pair : {first, last})
      if (!pair.value().is_array() || pair.size() != 2) pair.expected("a token and its id");
    parts.prefix.insert(parts.prefix.begin(), known_id(first[1], parts));
    parts.suffix.push_back(known_id(last[1], parts));
  } else {
    place.fail(fmt::format("post_processor {} is not supported", type), kSupported);
  }
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string text, const std::string& file) {
  const auto json = core::parse_json(text, file);
  const JsonPlace root(json, file);
  root.object();
  TokenizerParts parts;
  const JsonPlace model_place = root.at("model");
  if (const auto normalizer = root.find("normalizer")) {
    // The kind of model says more than the first normalizer of a Unigram or WordPiece file.
    const auto type = model_place.object().find("type");
    const auto vocab = model_place.find("vocab");
    if (!(type && type->text() != "BPE") && vocab && vocab->value().is_object())
      parts.nfc = read_normalizer(*normalizer);
  }
  ModelAndIds base = read_bpe_model(model_place);
  read_pre_tokenizer(root.at("pre_tokenizer"), parts.pre_tokenizer);
  read_decoder(root.at("decoder"));
  if (const auto added = root.find("added_tokens")) parts.added = read_added_tokens(*added, base);
  parts.model = std::move(base.model);
  if (const auto post = root.find("post_processor")) read_post_processor(*post, parts);
  parts.canonical = json.dump();
  parts.json = std::move(text);
  return parts;
}

std::optional<int32_t> find_token(const TokenizerParts& parts, const std::string& text) {
  for (const AddedToken& token : parts.added)
    if (token.content == text) return token.id;
  const int32_t id = parts.model->id(text);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

TokenizerPtr make_tokenizer(TokenizerParts parts, const SpecialTokens& specials, const std::string& where) {
  const auto id_of = [&](const std::string& text, const char* role) -> std::optional<int32_t> {
    if (text.empty()) return std::nullopt;
    const auto id = find_token(parts, text);
    if (!id)
      fail_input(where, fmt::format("expected a token of the vocabulary for {}, found \"{}\"", role, text),
                 "tokenizer.special_tokens and tokenizer_config.json name tokens that exist");
    return id;
  };
  parts.bos = id_of(specials.bos, "bos");
  parts.eos = id_of(specials.eos, "eos");
  parts.pad = id_of(specials.pad, "pad");
  for (const std::string& extra : specials.extra) id_of(extra, "special_tokens.extra");
  // Which tokens begin, end and fill a text decides about ids as much as the vocabulary does.
  for (const auto& id : {parts.bos, parts.eos, parts.pad}) parts.canonical += fmt::format("\n{}", id.value_or(-1));
  parts.digest = core::sha256(parts.canonical);
  parts.canonical = {};
  return std::make_shared<BpeTokenizer>(std::move(parts));
}

}  // namespace plumb::data
