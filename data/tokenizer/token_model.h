// Models of a tokenizer.json: pieces of text to ids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/json_place.h"

namespace plumb::data {

// Texts and ids of a vocabulary. Ids may have gaps; a text may be empty.
class Vocabulary {
 public:
  // {"text": id, ...}; Error for two texts of one id and for ids far beyond the number of texts.
  explicit Vocabulary(const JsonPlace& object);
  // By position; of two equal texts the later one counts.
  explicit Vocabulary(std::vector<std::string> texts);
  Vocabulary(Vocabulary&&) = default;

  int32_t id(std::string_view text) const {  // -1: none
    const auto found = ids_.find(text);
    return found == ids_.end() ? -1 : found->second;
  }
  int32_t id(std::string_view text, const std::vector<bool>& but) const {  // but: by id, none or all; -1 for these too
    const int32_t found = id(text);
    return found >= 0 && !but.empty() && but[static_cast<size_t>(found)] ? -1 : found;
  }
  bool has(int64_t id) const {
    return id >= 0 && static_cast<size_t>(id) < known_.size() && known_[static_cast<size_t>(id)];
  }
  const std::vector<std::string>& texts() const { return texts_; }
  size_t entries() const { return entries_; }  // as `tokenizers` counts them

 private:
  std::vector<std::string> texts_;
  std::vector<bool> known_;
  std::unordered_map<std::string_view, int32_t> ids_;  // views into texts_
  size_t entries_ = 0;
};

class BpeModel;

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of one piece, which is not empty.
  virtual void encode(std::string_view piece, std::vector<int32_t>& ids) const = 0;
  // The same where no text may become one of the tokens `never` (by id, as many as the vocabulary has), though the
  // vocabulary holds their texts. (BPE makes tokens by merges, which special tokens do not have.)
  virtual void encode_without(const std::vector<bool>& never, std::string_view piece, std::vector<int32_t>& ids) const {
    static_cast<void>(never);
    encode(piece, ids);
  }
  virtual const Vocabulary& vocabulary() const = 0;
  // The model, where pieces may be encoded in the parts that BpeModel::first_part finds; else nullptr.
  virtual const BpeModel* in_parts() const { return nullptr; }
  // Whether from now on a space in a piece stands for U+2581 (BpeModel::use_spaces_as_metaspace).
  virtual bool use_spaces_as_metaspace() { return false; }
};
using TokenModelPtr = std::unique_ptr<TokenModel>;

// "BPE", "WordPiece", "WordLevel", "Unigram"; files older than `type` show their kind in what they hold.
std::string model_type(const JsonPlace& model);

// Error at the place of an unknown kind or option.
TokenModelPtr read_token_model(const JsonPlace& place);
TokenModelPtr read_word_piece(const JsonPlace& place);
TokenModelPtr read_word_level(const JsonPlace& place);
TokenModelPtr read_unigram(const JsonPlace& place);
TokenModelPtr read_character_bpe(const JsonPlace& place);

}  // namespace plumb::data
