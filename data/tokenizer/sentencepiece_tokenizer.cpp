#include "data/tokenizer/sentencepiece_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

#include "core/error.h"
#include "core/hash.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {
constexpr std::string_view kSpace3 = "\xE2\x96\x81";  // U+2581, which stands for a space
constexpr float kUnknownPenalty = 10;
constexpr float kRebase = -100000;  // sums below this start anew from zero, as in `sentencepiece` 0.2.3
}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceFile file, const Named& named, std::string json,
                                               std::string bytes)
    : file_(std::move(file)), named_(named), json_(std::move(json)), bytes_(std::move(bytes)) {
  least_ = std::numeric_limits<float>::max();
  most_ = std::numeric_limits<float>::min();  // the smallest above zero: so `sentencepiece` has it
  for (size_t i = 0; i < file_.pieces.size(); ++i) {
    const auto& piece = file_.pieces[i];
    const auto id = static_cast<int32_t>(i);
    const bool normal = piece.type == Type::normal || piece.type == Type::user_defined || piece.type == Type::unused;
    (normal ? normal_ : reserved_).emplace(piece.text, id);
    if (normal) trie_.add(piece.text, id);
    longest_ = std::max(longest_, piece.text.size());
    if (piece.type == Type::user_defined) user_defined_.add(piece.text, id);
    if (piece.type == Type::normal) {
      least_ = std::min(least_, piece.score);
      most_ = std::max(most_, piece.score);
    }
    if (piece.type == Type::control) controls_.add({.id = id, .content = piece.text, .special = true}, piece.text);
  }
  if (file_.byte_fallback)
    for (int byte = 0; byte < 256; ++byte) byte_ids_.push_back(reserved_.at(fmt::format("<0x{:02X}>", byte)));
  std::string identity = bytes_;
  for (const auto& id : {named_.bos, named_.eos, named_.pad}) identity += fmt::format("\n{}", id.value_or(-1));
  digest_ = core::sha256(identity);
}

std::string SentencePieceTokenizer::json() const {
  if (json_.empty())
    fail_input("tokenizer", "this SentencePiece model has no equal tokenizer.json",
               "it is saved as tokenizer.model, which SentencePiece reads");
  return json_;
}

// The normal form of the front of `text`, and how much of it that is.
std::pair<std::string_view, size_t> SentencePieceTokenizer::normalize_prefix(std::string_view text) const {
  bool user_defined = false;
  const size_t size = symbol_size(text, user_defined);
  if (user_defined) return {text.substr(0, size), size};
  if (const auto match = file_.charsmap.longest(text)) return {match->result, match->length};
  return {text.substr(0, size), size};
}

std::string SentencePieceTokenizer::normalize(std::string_view text) const {
  std::string result;
  const bool collapse = file_.remove_extra_whitespaces;
  while (collapse && !text.empty()) {
    const auto [form, size] = normalize_prefix(text);
    if (form != " ") break;
    text.remove_prefix(size);
  }
  if (text.empty()) return result;
  result.reserve(text.size() + text.size() / 2);
  const std::string_view space = file_.escape_whitespaces ? kSpace3 : " ";
  if (!file_.whitespace_as_suffix && file_.add_dummy_prefix) result += space;
  bool after_space = collapse;
  while (!text.empty()) {
    auto [form, size] = normalize_prefix(text);
    while (after_space && form.starts_with(' ')) form.remove_prefix(1);
    if (!form.empty()) {
      for (const char c : form) {
        if (c == ' ')
          result += space;
        else
          result += c;
      }
      after_space = form.ends_with(' ');
    }
    text.remove_prefix(size);
    if (!collapse) after_space = false;
  }
  while (collapse && result.ends_with(space)) result.resize(result.size() - space.size());
  if (file_.whitespace_as_suffix && file_.add_dummy_prefix) result += space;
  return result;
}

// Bytes of the first symbol: the longest user-defined piece, or a character.
size_t SentencePieceTokenizer::symbol_size(std::string_view text, bool& user_defined) const {
  size_t longest = 0;
  uint32_t node = TokenTrie::kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = user_defined_.child(node, static_cast<unsigned char>(text[i]));
    if (node == 0) break;
    if (user_defined_.value(node) >= 0) longest = i + 1;
  }
  user_defined = longest > 0;
  return longest > 0 ? longest : decode_utf8(text.data()).size;
}

int32_t SentencePieceTokenizer::piece_id(std::string_view text) const {
  if (const auto found = reserved_.find(text); found != reserved_.end()) return found->second;
  const auto found = normal_.find(text);
  return found == normal_.end() ? file_.unknown : found->second;
}

// Joins the neighbours whose piece has the highest score, the left ones first.
void SentencePieceTokenizer::encode_bpe(std::string_view text, std::vector<Part>& parts) const {
  struct Symbol {
    size_t begin, size;  // size 0: joined to another
    int32_t before, after;
    bool frozen;
  };
  struct Pair {
    float score;
    int32_t left, right;
    size_t size;
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    bool frozen = false;
    const size_t size = symbol_size(text.substr(at), frozen);
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({at, size, index - 1, at + size < text.size() ? index + 1 : -1, frozen});
    at += size;
  }
  std::unordered_map<std::string_view, size_t> unused;  // piece -> size of the left part it was made of
  std::priority_queue<Pair> pairs;
  const auto offer = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const Symbol &a = symbols[static_cast<size_t>(left)], &b = symbols[static_cast<size_t>(right)];
    if (a.frozen || b.frozen) return;
    const std::string_view piece = text.substr(a.begin, a.size + b.size);
    const auto found = normal_.find(piece);
    if (found == normal_.end()) return;
    const auto& entry = file_.pieces[static_cast<size_t>(found->second)];
    pairs.push({entry.score, left, right, piece.size()});
    if (entry.type == Type::unused) unused[piece] = a.size;
  };
  for (size_t i = 1; i < symbols.size(); ++i) offer(static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
  while (!pairs.empty()) {
    const Pair top = pairs.top();
    pairs.pop();
    Symbol &left = symbols[static_cast<size_t>(top.left)], &right = symbols[static_cast<size_t>(top.right)];
    if (left.size == 0 || right.size == 0 || left.size + right.size != top.size) continue;
    left.size += right.size;
    left.after = right.after;
    if (right.after >= 0) symbols[static_cast<size_t>(right.after)].before = top.left;
    right.size = 0;
    offer(left.before, top.left);
    offer(top.left, left.after);
  }
  std::vector<std::pair<size_t, size_t>> pending;  // pieces nobody may use fall apart again
  for (int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[static_cast<size_t>(at)].after) {
    const Symbol& symbol = symbols[static_cast<size_t>(at)];
    pending.emplace_back(symbol.begin, symbol.begin + symbol.size);
    while (!pending.empty()) {
      const auto [begin, end] = pending.back();
      pending.pop_back();
      const std::string_view piece = text.substr(begin, end - begin);
      const int32_t id = piece_id(piece);
      const auto split = unused.find(piece);
      if (file_.pieces[static_cast<size_t>(id)].type != Type::unused || split == unused.end()) {
        parts.push_back({begin, end, id});
        continue;
      }
      pending.emplace_back(begin + split->second, end);
      pending.emplace_back(begin, begin + split->second);
    }
  }
}

// Viterbi in the arithmetic of `sentencepiece`: single precision, whose rounding decides between equal paths.
void SentencePieceTokenizer::encode_unigram(std::string_view text, std::vector<Part>& parts) const {
  struct Node {
    int32_t id = -1;
    float score = 0;
    int64_t start = -1;
  };
  std::vector<Node> best(text.size() + 1);
  const float unknown_score = least_ - kUnknownPenalty;
  for (size_t start = 0; start < text.size();) {
    const size_t character = decode_utf8(text.data() + start).size;
    if (best[start].score < kRebase) {
      const float base = best[start].score;
      for (size_t end = start; end <= std::min(text.size(), start + longest_); ++end)
        if (best[end].start >= 0) best[end].score -= base;
    }
    const float so_far = best[start].score;
    bool single = false;
    uint32_t node = TokenTrie::kRoot;
    for (size_t end = start; end < text.size();) {
      node = trie_.child(node, static_cast<unsigned char>(text[end++]));
      if (node == 0) break;
      const int32_t id = trie_.value(node);
      if (id < 0) continue;
      const auto& piece = file_.pieces[static_cast<size_t>(id)];
      if (piece.type == Type::unused) continue;
      const size_t length = end - start;
      const float score = piece.type == Type::user_defined
                              ? static_cast<float>(static_cast<double>(static_cast<float>(length) * most_) - 0.1)
                              : piece.score;
      const float candidate = score + so_far;
      Node& target = best[end];
      if (target.start < 0 || candidate > target.score) target = {id, candidate, static_cast<int64_t>(start)};
      single |= length == character;
    }
    if (!single) {
      Node& target = best[start + character];
      const float candidate = unknown_score + so_far;
      if (target.start < 0 || candidate > target.score)
        target = {file_.unknown, candidate, static_cast<int64_t>(start)};
    }
    start += character;
  }
  for (size_t end = text.size(); end > 0;) {
    const auto start = static_cast<size_t>(best[end].start);
    parts.push_back({start, end, best[end].id});
    end = start;
  }
  std::reverse(parts.begin(), parts.end());
}

void SentencePieceTokenizer::append_ids(std::string_view text, const std::vector<Part>& parts,
                                        std::vector<int32_t>& ids) const {
  bool after_unknown = false;
  for (const Part& part : parts) {
    const bool unknown = part.id == file_.unknown;
    if (unknown && file_.byte_fallback) {
      for (size_t at = part.begin; at < part.end; ++at) ids.push_back(byte_ids_[static_cast<unsigned char>(text[at])]);
    } else if (!(unknown && after_unknown)) {  // a run of unknown pieces is one
      ids.push_back(part.id);
    }
    after_unknown = unknown;
  }
}

void SentencePieceTokenizer::encode_part(std::string_view text, std::vector<int32_t>& ids) const {
  const std::string normal = normalize(text);
  std::vector<Part> parts;
  switch (file_.kind) {
    case SentencePieceFile::Kind::bpe:
      encode_bpe(normal, parts);
      break;
    case SentencePieceFile::Kind::unigram:
      encode_unigram(normal, parts);
      break;
    default:  // characters; a model of words was refused
      for (size_t at = 0; at < normal.size();) {
        bool user_defined = false;
        const size_t size = symbol_size(std::string_view(normal).substr(at), user_defined);
        parts.push_back({at, at + size, piece_id(std::string_view(normal).substr(at, size))});
        at += size;
      }
  }
  append_ids(normal, parts, ids);
}

void SentencePieceTokenizer::encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
                                    EncodeCounts* counts) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = repair_utf8(text, counts ? &counts->invalid_bytes : nullptr);
    text = repaired;
  }
  std::vector<AddedTokenMatcher::Piece> pieces;
  controls_.split(text, mode == SpecialInText::text, pieces, counts ? &counts->special_texts : nullptr);
  for (const auto& piece : pieces) {
    if (piece.id >= 0)
      ids.push_back(piece.id);
    else
      encode_part(piece.text, ids);
  }
}

void SentencePieceTokenizer::encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const {
  if (adds_bos()) ids.push_back(*named_.bos);
  encode(text, ids, SpecialInText::token, nullptr);
  if (adds_eos()) ids.push_back(*named_.eos);
}

std::string SentencePieceTokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  const auto& piece = file_.pieces[static_cast<size_t>(id)];
  if (piece.type == Type::byte)
    return std::string(1, static_cast<char>(std::find(byte_ids_.begin(), byte_ids_.end(), id) - byte_ids_.begin()));
  if (piece.type == Type::unknown) return file_.unknown_surface;
  std::string text;
  for (size_t at = 0; at < piece.text.size();) {
    const bool space = std::string_view(piece.text).substr(at).starts_with(kSpace3);
    text += space ? ' ' : piece.text[at];
    at += space ? kSpace3.size() : 1;
  }
  return text;
}

// Control pieces are invisible, as `sentencepiece` has it.
std::string SentencePieceTokenizer::decode(std::span<const int32_t> ids, bool) const {
  std::string text, bytes;
  const auto flush = [&] {  // each byte that begins no character is one U+FFFD
    for (size_t at = 0; at < bytes.size();) {
      size_t size = 1;
      while (size < 4 && at + size <= bytes.size() && !is_valid_utf8(std::string_view(bytes).substr(at, size))) ++size;
      const bool valid = at + size <= bytes.size() && is_valid_utf8(std::string_view(bytes).substr(at, size));
      if (valid)
        text.append(bytes, at, size);
      else
        text += "\xEF\xBF\xBD";
      at += valid ? size : 1;
    }
    bytes.clear();
  };
  bool start = true, ate_space = false;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size()) continue;
    const auto& piece = file_.pieces[static_cast<size_t>(id)];
    if (piece.type == Type::byte) {
      bytes += token_bytes(id);
      continue;
    }
    flush();
    if (ate_space || !text.empty()) start = false;
    ate_space = false;
    if (piece.type == Type::control) continue;  // never visible
    std::string form = token_bytes(id);
    if (piece.type != Type::unknown && start && (file_.add_dummy_prefix || file_.remove_extra_whitespaces) &&
        form.starts_with(' ') && piece.text.starts_with(kSpace3)) {
      form.erase(0, 1);
      ate_space = !file_.remove_extra_whitespaces;
    }
    text += form;
  }
  flush();
  return file_.denormalizer.empty() ? text : denormalize(text);
}

std::string SentencePieceTokenizer::denormalize(std::string_view text) const {
  std::string result;
  while (!text.empty()) {
    const auto match = file_.denormalizer.longest(text);
    const size_t size = match ? match->length : decode_utf8(text.data()).size;
    result += match ? match->result : text.substr(0, size);
    text.remove_prefix(size);
  }
  return result;
}

std::optional<int32_t> SentencePieceTokenizer::token_id(std::string_view token) const {
  const int32_t id = piece_id(token);
  return file_.pieces[static_cast<size_t>(id)].text == token ? std::optional(id) : std::nullopt;
}

bool SentencePieceTokenizer::is_special(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return false;
  const Type type = file_.pieces[static_cast<size_t>(id)].type;
  return type == Type::control || type == Type::unknown || id == named_.bos || id == named_.eos || id == named_.pad;
}

std::string SentencePieceTokenizer::token_text(int32_t id) const {
  return id >= 0 && id < vocab_size() ? file_.pieces[static_cast<size_t>(id)].text : std::string();
}

}  // namespace plumb::data
