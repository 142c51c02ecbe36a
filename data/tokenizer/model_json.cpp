// The `model` of a tokenizer.json: vocabulary and merges.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/tokenizer_json.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

constexpr const char* kSupported = "this version reads byte-level BPE (GPT-2, RoBERTa, GPT-NeoX, Llama-3, Qwen2, ...)";

// Old files name no type: the kind shows in what is there.
std::string model_type(const JsonPlace& model) {
  if (const auto type = model.find("type")) return type->text();
  const auto vocab = model.find("vocab");
  if (vocab && vocab->value().is_array()) return "Unigram";
  if (model.find("merges")) return "BPE";
  return model.find("max_input_chars_per_word") || model.find("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

void refuse_unless_empty(const JsonPlace& model, const char* key) {
  const auto found = model.find(key);
  if (found && !found->text().empty()) found->fail(fmt::format("{} is not supported", key), kSupported);
}

std::vector<std::string> read_vocabulary(const JsonPlace& vocab) {
  vocab.object();
  // Ids are dense in every real file; a bound keeps one wild number from asking for all memory.
  const int64_t most = std::max<int64_t>(int64_t{1} << 20, 2 * static_cast<int64_t>(vocab.size()));
  std::vector<std::string> tokens(vocab.size());
  for (const auto& [text, value] : vocab.value().items()) {
    const auto id = static_cast<size_t>(vocab.member(text, value).integer(0, most));
    if (text.empty()) vocab.fail("expected tokens with text, found an empty one");
    if (id >= tokens.size()) tokens.resize(id + 1);
    if (!tokens[id].empty())
      vocab.fail(
          fmt::format("expected an id for each token, found {} for both \"{}\" and \"{}\"", id, tokens[id], text));
    tokens[id] = text;
  }
  return tokens;
}

std::pair<std::string_view, std::string_view> read_merge(const JsonPlace& merge) {
  if (merge.value().is_array()) {
    if (merge.size() != 2) merge.expected("two tokens");
    return {merge[0].text(), merge[1].text()};
  }
  const std::string_view line = merge.text();
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos)
    merge.expected("two tokens with one space between");
  return {line.substr(0, space), line.substr(space + 1)};
}

std::vector<BpeModel::Merge> read_merges(const JsonPlace& merges, const std::vector<std::string>& tokens) {
  merges.array();
  std::unordered_map<std::string_view, int32_t> ids;
  ids.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty()) ids.emplace(tokens[id], static_cast<int32_t>(id));
  const auto find = [&](std::string_view token, const JsonPlace& place) {
    const auto found = ids.find(token);
    if (found == ids.end()) place.fail(fmt::format("expected tokens of model.vocab, found \"{}\"", token));
    return found->second;
  };
  std::vector<BpeModel::Merge> result;
  result.reserve(merges.size());
  std::string joined;
  for (size_t i = 0; i < merges.size(); ++i) {
    const JsonPlace place = merges[i];
    const auto [left, right] = read_merge(place);
    joined.assign(left).append(right);
    result.push_back({find(left, place), find(right, place), find(joined, place)});
  }
  return result;
}

// An unknown token fires only where a byte has no token of its own.
void read_unknown(const JsonPlace& place, BpeModel& model) {
  bool complete = true;
  for (unsigned byte = 0; byte < 256; ++byte) complete &= model.byte_id(static_cast<unsigned char>(byte)) >= 0;
  if (complete) return;
  if (place.boolean("byte_fallback", false))
    place.fail("byte_fallback is not supported (Llama-2 and other SentencePiece tokenizers)", kSupported);
  const auto unknown = place.find("unk_token");
  if (!unknown) return;
  model.unknown = model.id(unknown->text());
  if (model.unknown < 0) unknown->expected("a token of model.vocab");
  model.fuse_unknown = place.boolean("fuse_unk", false);
}

}  // namespace

ModelAndIds read_bpe_model(const JsonPlace& place) {
  place.object();
  const std::string type = model_type(place);
  if (type != "BPE") place.fail(fmt::format("model {} is not supported", type), kSupported);
  if (const auto dropout = place.find("dropout")) {
    if (!dropout->value().is_number() || dropout->value().get<double>() != 0)
      dropout->fail("dropout is not supported: the same text must always give the same ids", "remove it from the file");
  }
  refuse_unless_empty(place, "continuing_subword_prefix");
  refuse_unless_empty(place, "end_of_word_suffix");
  const JsonPlace vocab = place.at("vocab");
  auto tokens = read_vocabulary(vocab);
  const auto merges = read_merges(place.at("merges"), tokens);
  if (!MergeTable::fits(tokens.size(), merges.size()))
    vocab.fail(fmt::format("expected fewer than {} ids and {} merges, found {} and {}", MergeTable::kMostIds,
                           MergeTable::kMostMerges, tokens.size(), merges.size()));
  ModelAndIds result;
  result.entries = static_cast<int64_t>(vocab.size());
  result.model = std::make_unique<BpeModel>(std::move(tokens), merges);
  if (place.boolean("ignore_merges", false)) result.model->use_whole_pieces();
  read_unknown(place, *result.model);
  return result;
}

}  // namespace plumb::data
