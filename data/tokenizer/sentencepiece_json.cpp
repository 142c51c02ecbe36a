// SentencePiece files: loading, and the tokenizer.json that is equal to one.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "data/tokenizer/model_files.h"
#include "data/tokenizer/sentencepiece_tokenizer.h"

namespace plumb::data {

namespace {

using Json = nlohmann::ordered_json;
using Type = SentencePieceFile::Type;
using Kind = SentencePieceFile::Kind;
constexpr const char* kSpace3 = "\xE2\x96\x81";

Json replace(const char* kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

Json normalizer(const SentencePieceFile& file) {
  Json list = Json::array();
  if (!file.charsmap.empty())
    list.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(file.charsmap_bytes)}});
  if (file.remove_extra_whitespaces) {
    list.push_back(replace("Regex", "\\A +", ""));
    list.push_back(replace("Regex", std::string("[ ") + kSpace3 + "]+\\z", ""));
    list.push_back(replace("Regex", " {2,}", " "));
  }
  // A prefix stands before every text, also one that begins with a space, which Metaspace would leave alone.
  if (file.add_dummy_prefix) list.push_back({{"type", "Prepend"}, {"prepend", kSpace3}});
  list.push_back(replace("String", " ", kSpace3));
  return {{"type", "Sequence"}, {"normalizers", list}};
}

Json decoder(const SentencePieceFile& file) {
  Json list = Json::array();
  list.push_back(replace("String", kSpace3, " "));
  list.push_back({{"type", "ByteFallback"}});
  list.push_back({{"type", "Fuse"}});
  if (file.add_dummy_prefix) list.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", list}};
}

// Every way to make a piece of two others, in the order of the pieces' scores.
Json merges(const SentencePieceFile& file) {
  std::unordered_map<std::string_view, size_t> ids;
  std::vector<size_t> order;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type != Type::normal) continue;
    ids.emplace(file.pieces[id].text, id);
    order.push_back(id);
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return file.pieces[a].score > file.pieces[b].score; });
  Json list = Json::array();
  for (const size_t id : order) {
    const std::string_view text = file.pieces[id].text;
    for (size_t cut = 1; cut < text.size(); ++cut)
      if (ids.count(text.substr(0, cut)) && ids.count(text.substr(cut)))
        list.push_back(Json::array({std::string(text.substr(0, cut)), std::string(text.substr(cut))}));
  }
  return list;
}

Json model(const SentencePieceFile& file) {
  if (file.kind == Kind::unigram) {
    Json vocabulary = Json::array();
    for (const auto& piece : file.pieces)
      vocabulary.push_back(Json::array({piece.text, static_cast<double>(piece.score)}));
    return {{"type", "Unigram"},
            {"unk_id", file.unknown},
            {"vocab", std::move(vocabulary)},
            {"byte_fallback", file.byte_fallback}};
  }
  Json vocabulary = Json::object();
  auto& members = vocabulary.get_ref<Json::object_t&>();
  for (size_t id = 0; id < file.pieces.size(); ++id)
    members.push_back({file.pieces[id].text, static_cast<int64_t>(id)});
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", file.pieces[static_cast<size_t>(file.unknown)].text},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", true},
          {"byte_fallback", file.byte_fallback},
          {"ignore_merges", false},
          {"vocab", std::move(vocabulary)},
          {"merges", merges(file)}};
}

// What `tokenizers` has no equal for.
bool has_equal(const SentencePieceFile& file) {
  if ((file.kind != Kind::bpe && file.kind != Kind::unigram) || file.whitespace_as_suffix || !file.escape_whitespaces ||
      !file.denormalizer.empty())
    return false;
  std::set<float> scores;
  std::set<std::string_view> texts;
  for (const auto& piece : file.pieces) {
    if (!texts.insert(piece.text).second || piece.type == Type::unused) return false;
    // The user's own symbols part the text, and each part would be treated as a text of its own.
    if (piece.type == Type::user_defined &&
        (file.remove_extra_whitespaces || file.add_dummy_prefix || !file.charsmap.empty()))
      return false;
    const bool merged =
        file.kind == Kind::bpe && piece.type == Type::normal &&
        std::count_if(piece.text.begin(), piece.text.end(), [](char c) { return (c & 0xC0) != 0x80; }) > 1;
    if (merged && !scores.insert(piece.score).second) return false;  // pieces that come at once
  }
  return true;
}

}  // namespace

std::string sentencepiece_json(const SentencePieceFile& file) {
  if (!has_equal(file)) return "";
  Json added = Json::array();
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    const bool special = piece.type == Type::control || piece.type == Type::unknown;
    if (!special && piece.type != Type::user_defined) continue;
    added.push_back({{"id", id},
                     {"content", piece.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", special}});
  }
  const Json json = {{"version", "1.0"},          {"truncation", nullptr},          {"padding", nullptr},
                     {"added_tokens", added},     {"normalizer", normalizer(file)}, {"pre_tokenizer", nullptr},
                     {"post_processor", nullptr}, {"decoder", decoder(file)},       {"model", model(file)}};
  return json.dump();
}

TokenizerPtr load_sentencepiece(const std::filesystem::path& path, const std::string& bytes, const BesideFile& beside) {
  SentencePieceFile file = read_sentencepiece(bytes, path.string());
  if (file.kind == Kind::word)
    fail_input(path.string(), "a SentencePiece model of whole words is not supported",
               "models of type bpe, unigram and char are read");
  SentencePieceTokenizer::Named named;
  const auto find = [&](const std::string& text, std::initializer_list<const char*> usual,
                        const char* role) -> std::optional<int32_t> {
    for (size_t id = 0; id < file.pieces.size(); ++id) {
      const auto& piece = file.pieces[id];
      const bool wanted =
          text.empty() ? piece.type == Type::control && std::find(usual.begin(), usual.end(), piece.text) != usual.end()
                       : piece.text == text;
      if (wanted) return static_cast<int32_t>(id);
    }
    if (!text.empty())
      fail_input(path.string(), fmt::format("expected a piece of the vocabulary for {}, found \"{}\"", role, text),
                 "tokenizer.special_tokens and tokenizer_config.json name tokens that exist");
    return std::nullopt;
  };
  named.bos = find(beside.named.bos, {"<s>", "<bos>"}, "bos");
  named.eos = find(beside.named.eos, {"</s>", "<eos>"}, "eos");
  named.pad = find(beside.named.pad, {"<pad>"}, "pad");
  for (const std::string& extra : beside.named.extra) find(extra, {}, "special_tokens.extra");
  named.add_bos = beside.add_bos.value_or(file.kind == Kind::bpe);
  named.add_eos = beside.add_eos.value_or(false);
  std::string json = sentencepiece_json(file);
  const auto tokenizer = std::make_shared<SentencePieceTokenizer>(std::move(file), named, std::move(json), bytes);
  tokenizer->keep_roles(beside.other_roles);
  return tokenizer;
}

}  // namespace plumb::data
