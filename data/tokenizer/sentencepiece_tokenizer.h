// Text <-> ids as PyPI `sentencepiece` does it for the same .model file.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/file_tokenizer.h"
#include "data/tokenizer/sentencepiece_model.h"
#include "data/tokenizer/unigram.h"

namespace plumb::data {

class SentencePieceTokenizer final : public FileTokenizer {
 public:
  struct Named {
    std::optional<int32_t> bos, eos, pad;
    bool add_bos = false, add_eos = false;  // around a text
  };
  // `json`: an equal tokenizer.json, "" where there is none; `bytes`: the .model file's own.
  SentencePieceTokenizer(SentencePieceFile file, const Named& named, std::string json, std::string bytes);

  int64_t vocab_size() const override { return static_cast<int64_t>(file_.pieces.size()); }
  using Tokenizer::encode;
  // With SpecialInText::token control pieces in the text are cut out first; `sentencepiece` itself never reads them.
  void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
              EncodeCounts* counts) const override;
  void encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const override;
  std::string decode(std::span<const int32_t> ids, bool skip_special) const override;
  std::string token_bytes(int32_t id) const override;
  std::optional<int32_t> token_id(std::string_view token) const override;
  bool is_special(int32_t id) const override;
  std::optional<int32_t> bos() const override { return named_.bos; }
  std::optional<int32_t> eos() const override { return named_.eos; }
  std::optional<int32_t> pad() const override { return named_.pad; }
  std::string digest() const override { return digest_; }
  std::string json() const override;

  std::string token_text(int32_t id) const override;
  bool adds_bos() const override { return named_.bos && named_.add_bos; }
  bool adds_eos() const override { return named_.eos && named_.add_eos; }
  bool has_json() const { return !json_.empty(); }
  bool is_bpe() const { return file_.kind == SentencePieceFile::Kind::bpe; }
  int32_t unknown() const { return file_.unknown; }
  const std::string& model_bytes() const { return bytes_; }

  std::string normalize(std::string_view text) const;

 private:
  std::string denormalize(std::string_view text) const;
  using Type = SentencePieceFile::Type;
  struct Part {
    size_t begin, end;
    int32_t id;
  };
  std::pair<std::string_view, size_t> normalize_prefix(std::string_view text) const;
  size_t symbol_size(std::string_view text, bool& user_defined) const;
  int32_t piece_id(std::string_view text) const;
  void encode_bpe(std::string_view text, std::vector<Part>& parts) const;
  void encode_unigram(std::string_view text, std::vector<Part>& parts) const;
  void encode_part(std::string_view text, std::vector<int32_t>& ids) const;
  void append_ids(std::string_view text, const std::vector<Part>& parts, std::vector<int32_t>& ids) const;

  SentencePieceFile file_;
  Named named_;
  std::string json_, bytes_, digest_;
  std::unordered_map<std::string_view, int32_t> normal_, reserved_;  // views into file_
  TokenTrie trie_, user_defined_;
  std::vector<int32_t> byte_ids_;
  AddedTokenMatcher controls_;
  float least_ = 0, most_ = 0;  // scores of normal pieces
  size_t longest_ = 0;          // bytes of a piece
};

}  // namespace plumb::data
