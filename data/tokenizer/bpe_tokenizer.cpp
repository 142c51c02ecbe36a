#include "data/tokenizer/bpe_tokenizer.h"

#include <algorithm>

#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/encode_clock.h"
#include "data/tokenizer/unicode.h"
#include "data/tokenizer/word_batch.h"

namespace plumb::data {

namespace {

std::string normalize(std::string_view text, bool nfc) {
  std::string normalized;
  return nfc && normalize_nfc(text, normalized) ? normalized : std::string(text);
}

}  // namespace

BpeTokenizer::BpeTokenizer(TokenizerParts parts) : parts_(std::move(parts)), serial_(WordCache::next_serial()) {
  texts_ = parts_.model->tokens();
  for (const AddedToken& token : parts_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id >= texts_.size()) texts_.resize(id + 1);
    texts_[id] = token.content;
    added_ids_.emplace(token.content, token.id);
    (token.normalized ? normalized_ : raw_)
        .add(token, token.normalized ? normalize(token.content, parts_.nfc) : token.content);
  }
  special_.assign(texts_.size(), false);
  for (const AddedToken& token : parts_.added)
    if (token.special) special_[static_cast<size_t>(token.id)] = true;
  for (const auto& id : {parts_.bos, parts_.eos, parts_.pad})
    if (id) special_[static_cast<size_t>(*id)] = true;
  bytes_.reserve(texts_.size());
  for (const std::string& text : texts_) bytes_.push_back(from_byte_level(text).value_or(text));
}

void BpeTokenizer::encode_text(std::string_view text, WordCache& cache, std::vector<int32_t>& ids) const {
  const BpeModel& model = *parts_.model;
  if (!model.has_merges() && !model.has_whole_pieces() && !parts_.pre_tokenizer.add_prefix_space)
    return model.encode(text, ids);
  WordBatch batch(model, cache, ids, text);
  parts_.pre_tokenizer.split(text, [&](const PieceRuns& run) {
    encode_lap(EncodeStage::scan);
    batch.add(run.begin(), run.base(), run.ends(), run.count());
  });
  encode_lap(EncodeStage::scan);
  batch.finish();
}

void BpeTokenizer::encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
                          EncodeCounts* counts) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = repair_utf8(text, counts ? &counts->invalid_bytes : nullptr);
    text = repaired;
  }
  WordCache& cache = WordCache::of_this_thread(serial_, texts_.size() <= 65536);
  const bool as_text = mode == SpecialInText::text;
  int64_t* const met = counts ? &counts->special_texts : nullptr;
  // Of the thread, because short documents come by the million.
  thread_local std::vector<AddedTokenMatcher::Piece> pieces, inner;
  thread_local std::string normal;
  pieces.clear();
  raw_.split(text, as_text, pieces, met);
  for (const auto& piece : pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    std::string_view part = piece.text;
    if (parts_.nfc && normalize_nfc(part, normal)) part = normal;
    inner.clear();
    normalized_.split(part, as_text, inner, met);
    encode_lap(EncodeStage::text);
    for (const auto& token : inner) {
      if (token.id >= 0)
        ids.push_back(token.id);
      else
        encode_text(token.text, cache, ids);
    }
  }
}

void BpeTokenizer::encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const {
  ids.insert(ids.end(), parts_.prefix.begin(), parts_.prefix.end());
  encode(text, ids, SpecialInText::token, nullptr);
  ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
}

std::string BpeTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (const int32_t id : ids) {
    if (id < 0 || static_cast<size_t>(id) >= bytes_.size()) continue;
    if (skip_special && special_[static_cast<size_t>(id)]) continue;
    text += bytes_[static_cast<size_t>(id)];
  }
  return is_valid_utf8(text) ? text : repair_utf8(text);
}

std::string BpeTokenizer::token_bytes(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < bytes_.size() ? bytes_[static_cast<size_t>(id)] : std::string();
}

std::string BpeTokenizer::token_text(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < texts_.size() ? texts_[static_cast<size_t>(id)] : std::string();
}

std::optional<int32_t> BpeTokenizer::token_id(std::string_view token) const {
  if (const auto added = added_ids_.find(std::string(token)); added != added_ids_.end()) return added->second;
  const int32_t id = parts_.model->id(token);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool BpeTokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < special_.size() && special_[static_cast<size_t>(id)];
}

bool BpeTokenizer::adds_bos() const {
  return parts_.bos && std::find(parts_.prefix.begin(), parts_.prefix.end(), *parts_.bos) != parts_.prefix.end();
}

bool BpeTokenizer::adds_eos() const {
  return parts_.eos && std::find(parts_.suffix.begin(), parts_.suffix.end(), *parts_.eos) != parts_.suffix.end();
}

}  // namespace plumb::data
