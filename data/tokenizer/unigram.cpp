#include "data/tokenizer/unigram.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "data/tokenizer/token_model.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

TokenTrie::TokenTrie() : values_(2, -1) { grow(64); }

void TokenTrie::reserve(size_t nodes) { grow(std::bit_ceil(nodes * 2)); }

void TokenTrie::grow(size_t slots) {
  if (slots <= keys_.size()) return;
  std::vector<uint64_t> keys(slots);
  std::vector<uint32_t> children(slots);
  std::swap(keys, keys_);
  std::swap(children, children_);
  mask_ = slots - 1;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == 0) continue;
    size_t at = slot(keys[i]);
    while (keys_[at] != 0) at = (at + 1) & mask_;
    keys_[at] = keys[i];
    children_[at] = children[i];
  }
}

void TokenTrie::add(std::string_view text, int32_t value) {
  uint32_t node = kRoot;
  for (const char c : text) {
    uint32_t next = child(node, static_cast<unsigned char>(c));
    if (next == 0) {
      if (++used_ * 2 > keys_.size()) grow(keys_.size() * 2);
      next = static_cast<uint32_t>(values_.size());
      values_.push_back(-1);
      const uint64_t key = static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(c);
      size_t at = slot(key);
      while (keys_[at] != 0) at = (at + 1) & mask_;
      keys_[at] = key;
      children_[at] = next;
    }
    node = next;
  }
  if (node != kRoot) values_[node] = value;
}

namespace {

constexpr double kUnknownPenalty = 10;

class Unigram final : public TokenModel {
 public:
  Unigram(std::vector<std::string> texts, std::vector<double> scores, std::optional<int32_t> unknown,
          bool byte_fallback, std::string where)
      : vocabulary_(std::move(texts)), scores_(std::move(scores)), unknown_(unknown), where_(std::move(where)) {
    for (size_t id = 0; id < vocabulary_.texts().size(); ++id)
      trie_.add(vocabulary_.texts()[id], static_cast<int32_t>(id));
    for (const double score : scores_) least_ = std::min(least_, score);
    if (!byte_fallback) return;
    for (int byte = 0; byte < 256; ++byte) bytes_.push_back(vocabulary_.id(fmt::format("<0x{:02X}>", byte)));
  }

  void encode(std::string_view piece, std::vector<int32_t>& ids) const override { encode_without({}, piece, ids); }
  void encode_without(const std::vector<bool>& never, std::string_view piece,
                      std::vector<int32_t>& ids) const override {
    struct Node {
      double score = 0;
      size_t start = std::string_view::npos;
      int32_t id = 0;
    };
    std::vector<Node> best(piece.size() + 1);
    const auto offer = [&](size_t start, size_t end, double score, int32_t id) {
      Node& node = best[end];
      if (node.start != std::string_view::npos && !(score > node.score)) return;
      node = {score, start, id};
    };
    for (size_t start = 0; start < piece.size();) {
      const size_t character = decode_utf8(piece.data() + start).size;
      const double so_far = best[start].score;
      bool single = false;
      uint32_t node = TokenTrie::kRoot;
      for (size_t end = start; end < piece.size();) {
        node = trie_.child(node, static_cast<unsigned char>(piece[end++]));
        if (node == 0) break;
        const int32_t id = trie_.value(node);
        if (id < 0 || (!never.empty() && never[static_cast<size_t>(id)])) continue;
        offer(start, end, scores_[static_cast<size_t>(id)] + so_far, id);
        single |= end - start == character;
      }
      if (!single) offer(start, start + character, least_ - kUnknownPenalty + so_far, need_unknown());
      start += character;
    }
    std::vector<std::pair<size_t, size_t>> path;  // from the end; neighbours without a token are one part
    bool unknown_before = false;
    for (size_t end = piece.size(); end > 0; end = best[end].start) {
      const bool unknown = unknown_ && best[end].id == *unknown_;
      if (unknown && unknown_before)
        path.back().first = best[end].start;
      else
        path.emplace_back(best[end].start, end);
      unknown_before = unknown;
    }
    for (auto part = path.rbegin(); part != path.rend(); ++part)
      append(piece.substr(part->first, part->second - part->first), never, ids);
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  int32_t need_unknown() const {
    if (!unknown_) fail_input(where_, "expected unk_id for a character without a token, found none");
    return *unknown_;
  }

  void append(std::string_view part, const std::vector<bool>& never, std::vector<int32_t>& ids) const {
    const int32_t id = vocabulary_.id(part, never);
    if (id >= 0) return ids.push_back(id);
    const bool all = !bytes_.empty() && std::all_of(part.begin(), part.end(),
                                                    [&](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; });
    if (!all) return ids.push_back(need_unknown());
    for (const char c : part) ids.push_back(bytes_[static_cast<unsigned char>(c)]);
  }

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::optional<int32_t> unknown_;
  std::string where_;
  TokenTrie trie_;
  std::vector<int32_t> bytes_;  // with byte_fallback
  double least_ = std::numeric_limits<double>::infinity();
};

}  // namespace

namespace {

// `tokenizers` reads decimal numbers with a rounding more than is needed (serde_json: digits as an integer, then one
// multiplication or division by a power of ten), and sums of such scores decide between paths.
double as_tokenizers_reads(double exact) {
  std::array<char, 40> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), std::abs(exact), std::chars_format::scientific);
  uint64_t digits = 0;
  int exponent = 0, behind_point = 0;
  bool point = false;
  const char* at = text.data();
  for (; at < end.ptr && *at != 'e'; ++at) {
    if (*at == '.') {
      point = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    behind_point += point;
  }
  if (at + 1 < end.ptr) std::from_chars(at + (at[1] == '+' ? 2 : 1), end.ptr, exponent);
  exponent -= behind_point;
  auto value = static_cast<double>(digits);
  if (exponent < -308) {
    value /= 1e308;
    exponent += 308;
  }
  // Powers of ten as the nearest double each, as a table of them has it.
  double power = 1;
  const std::string name = fmt::format("1e{}", std::abs(exponent));
  std::from_chars(name.data(), name.data() + name.size(), power);
  value = exponent >= 0 ? value * power : value / power;
  return std::signbit(exact) ? -value : value;
}

}  // namespace

TokenModelPtr read_unigram(const JsonPlace& place) {
  const JsonPlace vocab = place.at("vocab").array();
  std::vector<std::string> texts;
  std::vector<double> scores;
  texts.reserve(vocab.size());
  scores.reserve(vocab.size());
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonPlace entry = vocab[i];
    if (!entry.value().is_array() || entry.size() != 2 || !entry.value()[1].is_number())
      entry.expected("a token and its score");
    texts.push_back(entry[0].text());
    scores.push_back(as_tokenizers_reads(entry.value()[1].get<double>()));
  }
  std::optional<int32_t> unknown;
  if (const auto id = place.find("unk_id"))
    unknown = static_cast<int32_t>(id->integer(0, std::max<int64_t>(static_cast<int64_t>(vocab.size()) - 1, 0)));
  if (unknown && vocab.size() == 0) vocab.expected("tokens");
  return std::make_unique<Unigram>(std::move(texts), std::move(scores), unknown, place.boolean("byte_fallback", false),
                                   place.child("unk_id"));
}

}  // namespace plumb::data
