// The `model` of a tokenizer.json: vocabulary and merges.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "data/tokenizer/tokenizer_json.h"

namespace plumb::data {

namespace {

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

// The right half of a merge loses its continuing prefix.
std::vector<BpeModel::Merge> read_merges(const JsonPlace& merges, const Vocabulary& vocabulary, size_t prefix) {
  merges.array();
  const auto find = [&](std::string_view token, const JsonPlace& place) {
    const int32_t id = vocabulary.id(token);
    if (id < 0) place.fail(fmt::format("expected tokens of model.vocab, found \"{}\"", token));
    return id;
  };
  std::vector<BpeModel::Merge> result;
  result.reserve(merges.size());
  std::string joined;
  for (size_t i = 0; i < merges.size(); ++i) {
    const JsonPlace place = merges[i];
    if (place.value().is_string() && place.text().starts_with("#version")) continue;
    const auto [left, right] = read_merge(place);
    joined.assign(left).append(right.substr(std::min(prefix, right.size())));
    result.push_back({find(left, place), find(right, place), find(joined, place)});
  }
  return result;
}

std::unique_ptr<BpeModel> read_bpe(const JsonPlace& place, const Vocabulary& vocabulary, size_t prefix) {
  if (const auto dropout = place.find("dropout")) {
    if (!dropout->value().is_number() || dropout->value().get<double>() != 0)
      dropout->fail("dropout is not supported: the same text must always give the same ids", "remove it from the file");
  }
  const auto merges = read_merges(place.at("merges"), vocabulary, prefix);
  if (!MergeTable::fits(vocabulary.texts().size(), merges.size()))
    place.fail(fmt::format("expected fewer than {} ids and {} merges, found {} and {}", MergeTable::kMostIds,
                           MergeTable::kMostMerges, vocabulary.texts().size(), merges.size()));
  return std::make_unique<BpeModel>(vocabulary.texts(), merges);
}

// An unknown token fires only where a byte or character has no token of its own.
void read_unknown(const JsonPlace& place, BpeModel& model) {
  const auto unknown = place.find("unk_token");
  if (!unknown) return;
  model.unknown = model.id(unknown->text());
  if (model.unknown < 0) unknown->expected("a token of model.vocab");
  model.fuse_unknown = place.boolean("fuse_unk", false);
}

class CharacterBpe final : public TokenModel {
 public:
  CharacterBpe(Vocabulary vocabulary, std::unique_ptr<BpeModel> model)
      : vocabulary_(std::move(vocabulary)), model_(std::move(model)) {}
  void encode(std::string_view piece, std::vector<int32_t>& ids) const override {
    if (!model_->has_parts()) return model_->encode(piece, ids);
    const char* const end = piece.data() + piece.size();
    for (const char* begin = piece.data(); begin < end;) {
      const char* const stop = model_->first_part(begin, end);
      model_->encode({begin, static_cast<size_t>(stop - begin)}, ids);
      begin = stop;
    }
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  const BpeModel* in_parts() const override { return model_->has_parts() ? model_.get() : nullptr; }
  bool use_spaces_as_metaspace() override { return model_->has_parts() && model_->use_spaces_as_metaspace(); }

 private:
  Vocabulary vocabulary_;
  std::unique_ptr<BpeModel> model_;
};

}  // namespace

// Old files name no type: the kind shows in what is there.
std::string model_type(const JsonPlace& model) {
  if (const auto type = model.object().find("type")) return type->text();
  const auto vocab = model.find("vocab");
  if (vocab && vocab->value().is_array()) return "Unigram";
  if (model.find("merges")) return "BPE";
  return model.find("max_input_chars_per_word") || model.find("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

ModelAndIds read_bpe_model(const JsonPlace& place) {
  const Vocabulary vocabulary(place.object().at("vocab"));
  ModelAndIds result;
  result.entries = static_cast<int64_t>(vocabulary.entries());
  result.model = read_bpe(place, vocabulary, 0);
  if (place.boolean("ignore_merges", false)) result.model->use_whole_pieces();
  bool complete = true;
  for (int byte = 0; byte < 256; ++byte) complete &= result.model->byte_id(static_cast<unsigned char>(byte)) >= 0;
  if (!complete) read_unknown(place, *result.model);
  return result;
}

TokenModelPtr read_character_bpe(const JsonPlace& place) {
  Vocabulary vocabulary(place.at("vocab"));
  const std::string prefix = place.text("continuing_subword_prefix", ""), suffix = place.text("end_of_word_suffix", "");
  auto model = read_bpe(place, vocabulary, prefix.size());
  const bool byte_fallback = place.boolean("byte_fallback", false);
  bool complete = byte_fallback;
  for (int byte = 0; byte < 256 && complete; ++byte) complete = vocabulary.id(fmt::format("<0x{:02X}>", byte)) >= 0;
  if (!complete) read_unknown(place, *model);
  model->use_characters(byte_fallback, prefix, suffix);
  if (place.boolean("ignore_merges", false)) model->use_whole_pieces();
  return std::make_unique<CharacterBpe>(std::move(vocabulary), std::move(model));
}

TokenModelPtr read_token_model(const JsonPlace& place) {
  const std::string type = model_type(place);
  if (type == "BPE") return read_character_bpe(place);
  if (type == "Unigram") return read_unigram(place);
  if (type == "WordPiece") return read_word_piece(place);
  if (type == "WordLevel") return read_word_level(place);
  place.fail(fmt::format("model {} is not known", type), "the kinds of PyPI `tokenizers` 0.23 are read");
}

}  // namespace plumb::data
