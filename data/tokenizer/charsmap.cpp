#include "data/tokenizer/charsmap.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "core/error.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode.h"
#include "data/tokenizer/unicode_properties.h"

namespace plumb::data {

Charsmap::Charsmap(std::string_view bytes, const std::string& where) {
  uint32_t size = 0;
  if (bytes.size() < sizeof size) fail_input(where, "expected a precompiled character map, found too few bytes");
  std::memcpy(&size, bytes.data(), sizeof size);  // the format is little-endian, as are the machines this runs on
  if (size > bytes.size() - sizeof size || size % sizeof(uint32_t) != 0)
    fail_input(where, fmt::format("expected a trie inside {} bytes, found one of {}", bytes.size() - sizeof size, size),
               "the character map is damaged");
  units_.resize(size / sizeof(uint32_t));
  std::memcpy(units_.data(), bytes.data() + sizeof size, size);
  results_ = bytes.substr(sizeof size + size);
  if (!is_valid_utf8(results_)) fail_input(where, "expected UTF-8 in the character map, found invalid bytes");
  if (results_.empty() || results_.back() != '\0') results_ += '\0';
}

namespace {
// Layout of a unit of the double array (Darts).
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FFu; }
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
}  // namespace

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, bool longest) const {
  if (units_.empty()) return std::nullopt;
  std::optional<Match> found;
  size_t node = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    const uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (node >= units_.size()) break;
    if (!has_leaf(unit)) continue;
    const size_t at = units_[node] & 0x7FFFFFFFu;
    if (at >= results_.size()) break;  // damaged
    found = Match{i + 1, std::string_view(results_.data() + at)};
    if (!longest) break;
  }
  return found;
}

namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The map as `tokenizers` applies it: to short clusters first, by the shortest text that they begin with.
class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  void normalize(NormalText& text) const override {
    std::string result;
    result.reserve(text.text.size());
    bool modified = false;
    size_t first = 0;  // bytes of `result` that stem from the document's first character
    const std::string_view all = text.text;
    for (size_t at = 0; at < all.size();) {
      const size_t end = static_cast<unsigned char>(all[at]) < 0x80 && at + 1 < all.size() &&
                                 static_cast<unsigned char>(all[at + 1]) < 0x80 && all[at] != '\r'
                             ? at + 1
                             : cluster_end(all, at);
      modified |= append(all.substr(at, end - at), result);
      if (at < text.first) first = result.size();
      at = end;
    }
    if (!modified) return;
    text.first = text.first == 0 ? 0 : std::max<size_t>(first, result.empty() ? 0 : decode_utf8(result.data()).size);
    text.text = std::move(result);
  }

 private:
  bool append(std::string_view cluster, std::string& result) const {
    if (cluster.size() < 6) {
      if (const auto match = map_.shortest(cluster)) {
        result += match->result;
        return true;
      }
    }
    bool modified = false;
    for (size_t at = 0; at < cluster.size();) {
      const std::string_view character = cluster.substr(at, decode_utf8(cluster.data() + at).size);
      if (const auto match = map_.shortest(character)) {
        result += match->result;
        modified = true;
      } else {
        result += character;
      }
      at += character.size();
    }
    return modified;
  }

  Charsmap map_;
};

}  // namespace

std::string decode_base64(std::string_view text, const std::string& where) {
  static const auto values = [] {
    std::array<int8_t, 256> table{};
    table.fill(-1);
    for (size_t i = 0; i < kBase64.size(); ++i) table[static_cast<unsigned char>(kBase64[i])] = static_cast<int8_t>(i);
    return table;
  }();
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) fail_input(where, "expected base64, found a text of a length it cannot have");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) fail_input(where, fmt::format("expected base64, found the byte {:#04x}", static_cast<uint8_t>(c)));
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  return bytes;
}

std::string encode_base64(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) text += i <= count ? kBase64[bits >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

NormalizerPtr read_precompiled_normalizer(const JsonPlace& place) {
  const JsonPlace map = place.at("precompiled_charsmap");
  return std::make_unique<Precompiled>(Charsmap(decode_base64(map.text(), map.where()), map.where()));
}

}  // namespace plumb::data
