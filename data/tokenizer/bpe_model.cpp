#include "data/tokenizer/bpe_model.h"

#include "data/tokenizer/bpe_characters.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

BpeModel::BpeModel(std::vector<std::string> vocabulary, const std::vector<Merge>& merges)
    : tokens_(std::move(vocabulary)), merges_(merges), table_(merges, tokens_.size()) {
  ids_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id)
    if (!tokens_[id].empty()) ids_.emplace(tokens_[id], static_cast<int32_t>(id));
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string character;
    append_utf8(byte_level_alphabet()[byte], character);
    byte_ids_[byte] = id(character);
    every_byte_ &= byte_ids_[byte] >= 0;
  }
  if (!every_byte_) return;
  byte_pairs_.resize(65536);
  for (size_t pair = 0; pair < 65536; ++pair)
    byte_pairs_[pair] = table_.rank(byte_ids_[pair >> 8], byte_ids_[pair & 255]);
}

void BpeModel::use_whole_pieces() {
  whole_pieces_ = true;
  whole_.reserve(tokens_.size());
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (tokens_[id].empty()) continue;
    if (characters_)
      whole_.emplace(tokens_[id], static_cast<int32_t>(id));
    else if (auto bytes = from_byte_level(tokens_[id]))
      whole_.emplace(std::move(*bytes), static_cast<int32_t>(id));
  }
  find_cuts();
}

int32_t BpeModel::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? -1 : found->second;
}

size_t BpeModel::bytes_of(std::string_view piece, int32_t* symbols) const {
  bool after_unknown = false;
  size_t count = 0;
  for (const char c : piece) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id >= 0) {
      symbols[count++] = id;
    } else if (unknown >= 0 && !(after_unknown && fuse_unknown)) {
      symbols[count++] = unknown;
    }
    after_unknown = id < 0;
  }
  return count;
}

size_t BpeModel::merge_piece(std::string_view piece, int32_t* symbols, size_t count) const {
  if (count > kShort) return merge_long(symbols, count);
  const bool bytes = every_byte_ && !characters_;
  return merge_short(symbols, count, bytes ? reinterpret_cast<const unsigned char*>(piece.data()) : nullptr);
}

size_t BpeModel::encode_short(std::string_view piece, int32_t* ids) const {
  if (whole_pieces_) {
    if (const auto found = whole_.find(piece); found != whole_.end()) {
      ids[0] = found->second;
      return 1;
    }
  }
  return merge_piece(piece, ids, first_symbols(piece, ids));
}

void BpeModel::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  const size_t most = most_symbols(piece.size());
  ids.resize(before + std::max(most, kShort));
  size_t count = 0;
  if (most <= kShort) {
    count = encode_short(piece, ids.data() + before);
  } else {
    const auto whole = whole_pieces_ ? whole_.find(piece) : whole_.end();
    if (whole != whole_.end()) {
      ids[before] = whole->second;
      count = 1;
    } else {
      count = first_symbols(piece, ids.data() + before);
      count = merge_piece(piece, ids.data() + before, count);
    }
  }
  ids.resize(before + count);
}

}  // namespace plumb::data
