#include "data/tokenizer/pipeline_tokenizer.h"

#include <algorithm>
#include <array>
#include <set>

#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/encode_clock.h"
#include "data/tokenizer/piece_cache.h"
#include "data/tokenizer/scanner.h"
#include "data/tokenizer/unicode.h"
#include "data/tokenizer/word_batch.h"

namespace plumb::data {

namespace {

// Caches are per thread and owned by one tokenizer at a time; two slots serve a pair of tokenizers in turn.
PieceCache& cache_of(uint64_t owner) {
  struct Owned {
    uint64_t owner = 0;
    std::unique_ptr<PieceCache> cache;
  };
  thread_local std::array<Owned, 2> caches;
  if (caches[0].owner == owner) return *caches[0].cache;
  std::swap(caches[0], caches[1]);
  if (caches[0].owner != owner) caches[0] = {owner, std::make_unique<PieceCache>()};
  return *caches[0].cache;
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(PipelineParts parts)
    : parts_(std::move(parts)), serial_(WordCache::next_serial()), text_serial_(WordCache::next_serial()) {
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  texts_ = vocabulary.texts();
  never_.resize(texts_.size());
  known_.resize(texts_.size());
  for (size_t id = 0; id < texts_.size(); ++id) known_[id] = vocabulary.has(static_cast<int64_t>(id));
  std::set<std::string> specials;
  for (const AddedToken& token : parts_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (id >= texts_.size()) {
      texts_.resize(id + 1);
      known_.resize(id + 1);
    }
    const bool changes = token.normalized && parts_.normalizer;
    const std::string text = changes ? parts_.normalizer->normalized(token.content) : token.content;
    texts_[id] = text;
    known_[id] = true;
    if (token.special) specials.insert(token.content);
    added_ids_.emplace(token.content, token.id);
    (token.normalized ? normalized_ : raw_).add(token, text);
  }
  special_.resize(texts_.size());
  skipped_.resize(texts_.size());
  for (const AddedToken& token : parts_.added) {
    const auto id = static_cast<size_t>(token.id);
    if (!token.special) continue;
    special_[id] = true;
    if (id < never_.size()) never_[id] = true;
  }
  for (size_t id = 0; id < texts_.size(); ++id) skipped_[id] = known_[id] && specials.count(texts_[id]) > 0;
  for (const auto& id : {parts_.bos, parts_.eos, parts_.pad})
    if (id) special_[static_cast<size_t>(*id)] = skipped_[static_cast<size_t>(*id)] = true;
  raw_spaces_ = parts_.llama_spaces && !parts_.pre_tokenizer && normalized_.empty() &&
                parts_.model->use_spaces_as_metaspace() && parts_.model->in_parts();
}

void PipelineTokenizer::encode_in_parts(std::string_view text, std::vector<int32_t>& ids) const {
  const BpeModel& model = *parts_.model->in_parts();
  WordBatch batch(model, WordCache::of_this_thread(serial_, texts_.size() <= 65536), ids, text);
  const char* const end = text.data() + text.size();
  std::array<uint32_t, 256> ends;
  for (const char *begin = text.data(), *base = nullptr; begin < end;) {
    const size_t count =
        fill_run(begin, end, std::span(ends), base, [&](const char* at) { return model.first_part(at, end); });
    encode_lap(EncodeStage::scan);
    batch.add(begin, base, ends.data(), count);
    begin = base + ends[count - 1];
  }
  batch.finish();
}

// Text without its normalizer: the space in front is put before the first part alone, spaces are read as U+2581.
void PipelineTokenizer::encode_llama(std::string_view text, std::vector<int32_t>& ids) const {
  size_t head_size = std::min<size_t>(text.size(), 64);
  while (head_size < text.size() && (static_cast<unsigned char>(text[head_size]) & 0xC0) == 0x80) --head_size;
  std::string head = " " + std::string(text.substr(0, head_size));
  const BpeModel& model = *parts_.model->in_parts();
  const char* const stop = model.first_part(head.data(), head.data() + head.size());
  const auto size = static_cast<size_t>(stop - head.data());
  if (size == head.size() && text.size() > head_size) {  // a long first part
    head.append(text.substr(head_size));
    return encode_in_parts(head, ids);
  }
  encode_in_parts(std::string_view(head).substr(0, size), ids);
  if (size <= text.size()) encode_in_parts(text.substr(size - 1), ids);
}

void PipelineTokenizer::encode_normalized(TextPiece piece, bool as_text, std::vector<int32_t>& ids) const {
  if (!parts_.pre_tokenizer && parts_.model->in_parts()) return encode_in_parts(piece.text, ids);
  PieceCache& cache = cache_of(as_text ? text_serial_ : serial_);
  const auto encode = [&](std::string_view text, std::vector<int32_t>& out) {
    if (as_text)
      parts_.model->encode_without(never_, text, out);
    else
      parts_.model->encode(text, out);
  };
  if (!parts_.pre_tokenizer) return cache.encode(piece.text, ids, encode);
  TextPieces pieces;
  pieces.pieces.push_back(piece);
  parts_.pre_tokenizer->apply(pieces);
  for (const TextPiece& each : pieces.pieces)
    if (!each.text.empty()) cache.encode(each.text, ids, encode);
}

void PipelineTokenizer::encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
                               EncodeCounts* counts) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = repair_utf8(text, counts ? &counts->invalid_bytes : nullptr);
    text = repaired;
  }
  const bool as_text = mode == SpecialInText::text;
  int64_t* const met = counts ? &counts->special_texts : nullptr;
  std::vector<AddedTokenMatcher::Piece> pieces, inner;
  raw_.split(text, as_text, pieces, met);
  for (const auto& piece : pieces) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    encode_lap(EncodeStage::text);
    if (raw_spaces_) {
      encode_llama(piece.text, ids);
      continue;
    }
    NormalText normal;
    TextPiece part{piece.text, piece.text.data() == text.data() ? decode_utf8(text.data()).size : 0};
    if (parts_.normalizer) {
      normal = {std::string(piece.text), part.first};
      parts_.normalizer->normalize(normal);
      part = {normal.text, std::min(normal.first, normal.text.size())};
    }
    inner.clear();
    normalized_.split(part.text, as_text, inner, met);
    for (const auto& token : inner) {
      const auto begin = static_cast<size_t>(token.text.data() - part.text.data());
      if (token.id >= 0)
        ids.push_back(token.id);
      else
        encode_normalized(part.part(begin, begin + token.text.size()), as_text, ids);
    }
  }
}

void PipelineTokenizer::encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const {
  ids.insert(ids.end(), parts_.prefix.begin(), parts_.prefix.end());
  encode(text, ids, SpecialInText::token, nullptr);
  ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
}

std::string PipelineTokenizer::join(std::vector<std::string> tokens) const {
  std::string text;
  if (parts_.decoder) {
    parts_.decoder->decode(tokens);
    for (const std::string& token : tokens) text += token;
  } else {
    for (size_t i = 0; i < tokens.size(); ++i) text += (i > 0 ? " " : "") + tokens[i];
  }
  return text;
}

std::string PipelineTokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids)
    if (has(id) && !(skip_special && skipped_[static_cast<size_t>(id)]))
      tokens.push_back(texts_[static_cast<size_t>(id)]);
  return join(std::move(tokens));
}

// What the token adds to a text that stands around it.
std::string PipelineTokenizer::token_bytes(int32_t id) const {
  if (!has(id)) return {};
  const std::string& text = texts_[static_cast<size_t>(id)];
  if (!parts_.decoder || added_ids_.count(text)) return text;
  if (parts_.decoder->byte_level()) return from_byte_level(text).value_or(text);
  if (parts_.decoder->byte_fallback() && text.size() == 6 && text.starts_with("<0x") && text.ends_with('>'))
    return std::string(1, static_cast<char>(std::stoul("0" + text.substr(3, 2), nullptr, 16)));
  const std::string around = join({"a", "a"}), with = join({"a", text, "a"});
  const std::string_view behind = std::string_view(around).substr(1);
  const bool fits = with.size() >= around.size() && with.starts_with('a') && with.ends_with(behind);
  return fits ? with.substr(1, with.size() - around.size()) : text;
}

std::string PipelineTokenizer::token_text(int32_t id) const {
  if (!has(id)) return {};
  for (const AddedToken& token : parts_.added)
    if (token.id == id) return token.content;
  return texts_[static_cast<size_t>(id)];
}

std::optional<int32_t> PipelineTokenizer::token_id(std::string_view token) const {
  if (const auto added = added_ids_.find(std::string(token)); added != added_ids_.end()) return added->second;
  const int32_t id = parts_.model->vocabulary().id(token);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

bool PipelineTokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < special_.size() && special_[static_cast<size_t>(id)];
}

bool PipelineTokenizer::adds_bos() const {
  return parts_.bos && std::find(parts_.prefix.begin(), parts_.prefix.end(), *parts_.bos) != parts_.prefix.end();
}

bool PipelineTokenizer::adds_eos() const {
  return parts_.eos && std::find(parts_.suffix.begin(), parts_.suffix.end(), *parts_.eos) != parts_.suffix.end();
}

}  // namespace plumb::data
