// Vocabularies, and the models that look words up: WordLevel and WordPiece.
#include <algorithm>

#include "data/tokenizer/token_model.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

Vocabulary::Vocabulary(const JsonPlace& object) : entries_(object.object().size()) {
  // Ids are dense in every real file; a bound keeps one wild number from asking for all memory.
  const int64_t most = std::max<int64_t>(int64_t{1} << 20, 2 * static_cast<int64_t>(entries_));
  texts_.resize(entries_);
  known_.resize(entries_);
  for (const auto& [text, value] : object.value().items()) {
    const auto id = static_cast<size_t>(object.member(text, value).integer(0, most));
    if (id >= texts_.size()) {
      texts_.resize(id + 1);
      known_.resize(id + 1);
    }
    if (known_[id])
      object.fail(
          fmt::format("expected an id for each token, found {} for both \"{}\" and \"{}\"", id, texts_[id], text));
    texts_[id] = text;
    known_[id] = true;
  }
  ids_.reserve(entries_);
  for (size_t id = 0; id < texts_.size(); ++id)
    if (known_[id]) ids_.emplace(texts_[id], static_cast<int32_t>(id));
}

Vocabulary::Vocabulary(std::vector<std::string> texts)
    : texts_(std::move(texts)), known_(texts_.size(), true), entries_(texts_.size()) {
  ids_.reserve(entries_);
  for (size_t id = 0; id < texts_.size(); ++id) ids_[texts_[id]] = static_cast<int32_t>(id);
}

namespace {

class WordLevel final : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, std::string unknown, std::string where)
      : vocabulary_(std::move(vocabulary)), unknown_(std::move(unknown)), where_(std::move(where)) {}
  void encode(std::string_view piece, std::vector<int32_t>& ids) const override { encode_without({}, piece, ids); }
  void encode_without(const std::vector<bool>& never, std::string_view piece,
                      std::vector<int32_t>& ids) const override {
    int32_t id = vocabulary_.id(piece, never);
    if (id < 0) id = vocabulary_.id(unknown_);
    if (id < 0)
      fail_input(where_,
                 fmt::format("expected \"{}\" in the vocabulary for words without a token, found none", unknown_));
    ids.push_back(id);
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  std::string unknown_, where_;
};

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocabulary vocabulary, const JsonPlace& place)
      : vocabulary_(std::move(vocabulary)),
        unknown_(place.at("unk_token").text()),
        prefix_(place.at("continuing_subword_prefix").text()),
        most_characters_(place.at("max_input_chars_per_word").integer(0, INT64_MAX)),
        where_(place.where()) {
    for (const std::string& text : vocabulary_.texts()) longest_ = std::max(longest_, text.size());
  }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override { encode_without({}, piece, ids); }
  void encode_without(const std::vector<bool>& never, std::string_view piece,
                      std::vector<int32_t>& ids) const override {
    const size_t before = ids.size();
    if (!fits(piece) || !pieces(piece, never, ids)) {
      ids.resize(before);
      const int32_t id = vocabulary_.id(unknown_);
      if (id < 0)
        fail_input(where_,
                   fmt::format("expected \"{}\" in the vocabulary for words without tokens, found none", unknown_));
      ids.push_back(id);
    }
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  bool fits(std::string_view piece) const {
    const auto characters = std::count_if(piece.begin(), piece.end(),
                                          [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    return characters <= most_characters_;
  }

  // Longest tokens from the left; a text longer than every token is not looked up.
  bool pieces(std::string_view piece, const std::vector<bool>& never, std::vector<int32_t>& ids) const {
    std::string candidate;
    for (size_t start = 0; start < piece.size();) {
      candidate = start > 0 ? prefix_ : std::string();
      const size_t affix = candidate.size();
      candidate += piece.substr(start, std::min(piece.size() - start, longest_));
      size_t end = candidate.size();
      if (start + end - affix < piece.size()) end = whole_characters(piece, start, end - affix) + affix;
      int32_t id = -1;
      while (end > affix && (id = vocabulary_.id(std::string_view(candidate).substr(0, end), never)) < 0)
        end -= decode_utf8_before(candidate.data() + affix, candidate.data() + end).size;
      if (id < 0) return false;
      ids.push_back(id);
      start += end - affix;
    }
    return true;
  }
  // The most bytes up to `length` from `start` that cut no character.
  static size_t whole_characters(std::string_view piece, size_t start, size_t length) {
    while (length > 0 && (static_cast<unsigned char>(piece[start + length]) & 0xC0) == 0x80) --length;
    return length;
  }

  Vocabulary vocabulary_;
  std::string unknown_, prefix_;
  int64_t most_characters_;
  std::string where_;
  size_t longest_ = 0;
};

}  // namespace

TokenModelPtr read_word_level(const JsonPlace& place) {
  return std::make_unique<WordLevel>(Vocabulary(place.at("vocab")), place.at("unk_token").text(),
                                     place.child("unk_token"));
}

TokenModelPtr read_word_piece(const JsonPlace& place) {
  return std::make_unique<WordPiece>(Vocabulary(place.at("vocab")), place);
}

}  // namespace plumb::data
