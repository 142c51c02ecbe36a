#include "data/tokenizer/bpe_characters.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/tokenizer/unicode.h"

namespace plumb::data {

void BpeModel::Characters::Ids::set(uint32_t code_point, int32_t id) {
  if (code_point < 128) {
    ascii_[code_point] = id;
    return;
  }
  auto& page = pages_[code_point >> 8];
  if (page.empty()) page.assign(256, -1);
  page[code_point & 255] = id;
}

void BpeModel::use_characters(bool byte_fallback, const std::string& prefix, const std::string& suffix) {
  auto characters = std::make_shared<Characters>();
  characters->prefix = prefix;
  characters->suffix = suffix;
  characters->affixes = !prefix.empty() || !suffix.empty();
  characters->byte_fallback = byte_fallback;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    for (size_t kind = 0; kind < (characters->affixes ? 4u : 1u); ++kind) {
      std::string_view text = tokens_[id];
      const std::string_view before = kind & 1 ? std::string_view() : characters->prefix;  // bit 0: first of the piece
      const std::string_view behind = kind & 2 ? characters->suffix : std::string_view();  // bit 1: last
      if (text.size() <= before.size() + behind.size() || !text.starts_with(before) || !text.ends_with(behind))
        continue;
      text = text.substr(before.size(), text.size() - before.size() - behind.size());
      if (!is_valid_utf8(text) || decode_utf8(text.data()).size != text.size()) continue;
      Characters::Ids& ids = characters->affixes ? characters->affixed[kind] : characters->inner;
      ids.set(decode_utf8(text.data()).value, static_cast<int32_t>(id));
    }
  }
  characters->all_bytes = byte_fallback;
  for (size_t byte = 0; byte < 256; ++byte) {
    characters->bytes[byte] = byte_fallback ? id(fmt::format("<0x{:02X}>", byte)) : -1;
    characters->all_bytes &= characters->bytes[byte] >= 0;
  }
  characters_ = std::move(characters);
  find_cuts();
}

bool BpeModel::use_spaces_as_metaspace() {
  const int32_t space = characters_ && !characters_->affixes ? characters_->inner[kMetaspace] : -1;
  if (space < 0 || whole_pieces_) return false;
  auto characters = std::make_shared<Characters>(*characters_);
  characters->inner.set(' ', space);
  characters->spaces_are_metaspace = true;
  characters_ = std::move(characters);
  find_cuts();
  return true;
}

// The tokens of a character that has none itself: of its bytes, or the unknown one. As `tokenizers` does it: bytes do
// not end a run of unknown characters.
class BpeModel::SymbolReader {
 public:
  SymbolReader(const BpeModel& model, int32_t* symbols) : model_(model), symbols_(symbols) {}

  size_t read(std::string_view piece) {
    const Characters& c = *model_.characters_;
    for (size_t at = 0; at < piece.size();) {
      const CodePoint character = decode_utf8(piece.data() + at);
      const size_t end = at + character.size;
      const size_t kind = (at == 0 ? 1u : 0u) + (end == piece.size() ? 2u : 0u);
      const int32_t id = (c.affixes ? c.affixed[kind] : c.inner)[character.value];
      if (id >= 0) {
        flush_unknown();
        symbols_[count_++] = id;
      } else {
        without_token(piece.substr(at, character.size), kind);
      }
      at = end;
    }
    flush_unknown();
    return count_;
  }

 private:
  void without_token(std::string_view character, size_t kind) {
    const Characters& c = *model_.characters_;
    if (c.byte_fallback) {
      std::string affixed;
      if (c.affixes) {
        affixed = (kind & 1 ? "" : c.prefix) + std::string(character) + (kind & 2 ? c.suffix : "");
        character = affixed;
      }
      const auto token_of = [&](char byte) { return c.bytes[static_cast<unsigned char>(byte)]; };
      if (std::all_of(character.begin(), character.end(), [&](char byte) { return token_of(byte) >= 0; })) {
        for (const char byte : character) symbols_[count_++] = token_of(byte);
        return;
      }
    }
    if (model_.unknown < 0 || (pending_ && model_.fuse_unknown)) return;
    flush_unknown();
    pending_ = true;
  }
  void flush_unknown() {
    if (pending_) symbols_[count_++] = model_.unknown;
    pending_ = false;
  }

  const BpeModel& model_;
  int32_t* symbols_;
  size_t count_ = 0;
  bool pending_ = false;
};

size_t BpeModel::characters_of(std::string_view piece, int32_t* symbols) const {
  return SymbolReader(*this, symbols).read(piece);
}

size_t BpeModel::most_symbols(size_t bytes) const {
  if (!characters_ || !characters_->affixes) return bytes;
  return bytes * (1 + characters_->prefix.size() + characters_->suffix.size());
}

namespace {

bool is_metaspace(const char* at, const char* end) {
  return end - at >= 3 && std::string_view(at, 3) == kMetaspaceText;
}

// Cutting inside words of letters would only make more, shorter parts.
bool worth_a_cut(size_t byte) {
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  return !letter && (byte < 0x80 || byte == 0xFF);
}

}  // namespace

// A merge of L and R reaches over the place between the last character of L and the first of R and over no other that
// was not merged before; so a place where no merge's halves meet is safe, and the merges on its two sides do not know
// of each other. That needs text and symbols to agree (no merges of byte tokens, no affixes) and no state across the
// cut (no unknown characters that fuse).
void BpeModel::find_cuts() {
  cuts_ = nullptr;
  if (!characters_ || characters_->affixes || whole_pieces_ || !characters_->all_bytes) return;
  const auto is_byte_token = [&](int32_t id) {
    return std::find(characters_->bytes.begin(), characters_->bytes.end(), id) != characters_->bytes.end();
  };
  auto cuts = std::make_shared<Cuts>();
  auto& exact = cuts->exact;
  for (size_t before = 0; before < 256; ++before)
    for (size_t behind = 0; behind < 256; ++behind)
      exact[before][behind] = (worth_a_cut(before) || worth_a_cut(behind)) && (behind & 0xC0) != 0x80;
  for (const Merge& merge : merges_) {
    const std::string& left = tokens_[static_cast<size_t>(merge.left)];
    const std::string& right = tokens_[static_cast<size_t>(merge.right)];
    if (is_byte_token(merge.left) || is_byte_token(merge.right) || merge.left == unknown || merge.right == unknown)
      return;
    const size_t before =
        left.ends_with(kMetaspaceText) ? Cuts::kMetaspaceClass : static_cast<unsigned char>(left.back());
    const size_t behind =
        right.starts_with(kMetaspaceText) ? Cuts::kMetaspaceClass : static_cast<unsigned char>(right.front());
    exact[before][behind] = false;
  }
  if (characters_->spaces_are_metaspace) {
    exact[' '] = exact[Cuts::kMetaspaceClass];
    for (auto& row : exact) row[' '] = row[Cuts::kMetaspaceClass];
  }
  for (size_t before = 0; before < 256; ++before)
    for (size_t behind = 0; behind < 256; ++behind)
      cuts->between[before][behind] = (behind & 0xC0) == 0x80            ? Cuts::no
                                      : before == 0x81 || behind == 0xE2 ? Cuts::look
                                      : exact[before][behind]            ? Cuts::yes
                                                                         : Cuts::no;
  cuts_ = std::move(cuts);
}

const char* BpeModel::first_part(const char* begin, const char* end) const {
  if (!cuts_) return end;
  const Cuts& cuts = *cuts_;
  const auto byte = [](const char* at) { return static_cast<unsigned char>(*at); };
  for (const char* at = begin + 1; at < end; ++at) {
    const uint8_t answer = cuts.between[byte(at - 1)][byte(at)];
    if (answer == Cuts::no) continue;
    if (answer == Cuts::yes) return at;
    const size_t before = at - begin >= 3 && is_metaspace(at - 3, at) ? Cuts::kMetaspaceClass : byte(at - 1);
    const size_t behind = is_metaspace(at, end) ? Cuts::kMetaspaceClass : byte(at);
    if (cuts.exact[before][behind]) return at;
  }
  return end;
}

}  // namespace plumb::data
