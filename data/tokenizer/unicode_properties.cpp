#include "data/tokenizer/unicode_properties.h"

#include <utf8proc.h>

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

UnicodeMap::UnicodeMap(const UnicodeRun* runs, size_t count) {
  size_t run = 0;
  uint16_t value = 0;
  std::array<uint16_t, 256> block;
  for (uint32_t first = 0; first < 0x110000; first += 256) {
    for (uint32_t i = 0; i < 256; ++i) {
      if (run < count && runs[run].first == first + i) value = runs[run++].value;
      block[i] = value;
    }
    size_t index = blocks_.size();
    for (size_t i = 0; i < blocks_.size() && index == blocks_.size(); ++i)
      if (blocks_[i] == block) index = i;
    if (index == blocks_.size()) blocks_.push_back(block);
    block_[first >> 8] = static_cast<uint16_t>(index);
  }
}

const UnicodeMap& category_map() {
  static const UnicodeMap map(kCategoryRuns, kCategoryRunsCount);
  return map;
}
const UnicodeMap& segment_script_map() {
  static const UnicodeMap map(kSegmentScriptRuns, kSegmentScriptRunsCount);
  return map;
}
const UnicodeMap& text_bits_map() {
  static const UnicodeMap map(kTextBitRuns, kTextBitRunsCount);
  return map;
}

void append_lowercase(uint32_t code_point, std::string& text) {
  static const auto map = [] {
    std::unordered_map<uint32_t, uint32_t> lower;
    for (size_t i = 0; i < kLowercaseRunsCount; ++i) {
      const LowercaseRun& run = kLowercaseRuns[i];
      for (uint32_t c = run.first; c <= run.last; c += run.stride)
        lower.emplace(c, static_cast<uint32_t>(static_cast<int32_t>(c) + run.delta));
    }
    return lower;
  }();
  if (code_point < 128) {
    text += static_cast<char>(code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point);
  } else if (code_point == 0x130) {
    text += "i\xCC\x87";  // the one character whose lower case is two
  } else {
    const auto found = map.find(code_point);
    append_utf8(found == map.end() ? code_point : found->second, text);
  }
}

namespace {

int combining_class(uint32_t c) {
  return has_text_bit(c, kReorders) ? utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class : 0;
}

void append_decomposed(uint32_t c, bool compat, std::vector<uint32_t>& out) {
  if (!has_text_bit(c, compat ? kDecomposesCompat : kDecomposes)) return out.push_back(c);
  std::array<utf8proc_int32_t, 32> parts{};
  int boundary = 0;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0));
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(), options, &boundary);
  if (count < 0 || static_cast<size_t>(count) > parts.size()) fail_internal("a character without decomposition");
  for (utf8proc_ssize_t i = 0; i < count; ++i) out.push_back(static_cast<uint32_t>(parts[static_cast<size_t>(i)]));
}

bool decompose(std::string_view text, bool compat, std::string& result) {
  const uint16_t bits = static_cast<uint16_t>((compat ? kDecomposesCompat : kDecomposes) | kReorders);
  bool plain = true;
  for (size_t at = 0; at < text.size() && plain;) {
    const CodePoint c = decode_utf8(text.data() + at);
    plain = c.value < 128 || !has_text_bit(c.value, bits);
    at += c.size;
  }
  if (plain) return false;
  std::vector<uint32_t> characters;
  characters.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text.data() + at);
    append_decomposed(c.value, compat, characters);
    at += c.size;
  }
  for (size_t first = 0; first < characters.size();) {  // marks go into the order of their classes
    size_t last = first;
    while (last < characters.size() && combining_class(characters[last]) != 0) ++last;
    std::stable_sort(characters.begin() + static_cast<std::ptrdiff_t>(first),
                     characters.begin() + static_cast<std::ptrdiff_t>(last),
                     [](uint32_t a, uint32_t b) { return combining_class(a) < combining_class(b); });
    first = last + 1;
  }
  result.clear();
  for (const uint32_t c : characters) append_utf8(c, result);
  return true;
}

}  // namespace

bool normalize_form(std::string_view text, UnicodeForm form, std::string& normalized) {
  if (form == UnicodeForm::nfc) return normalize_nfc(text, normalized);
  const bool compat = form != UnicodeForm::nfd;
  if (form != UnicodeForm::nfkc) return decompose(text, compat, normalized);
  std::string decomposed;
  const bool changed = decompose(text, compat, decomposed);
  if (normalize_nfc(changed ? decomposed : text, normalized)) return true;
  if (changed) normalized = std::move(decomposed);
  return changed;
}

size_t cluster_end(std::string_view text, size_t at) {
  const CodePoint first = decode_utf8(text.data() + at);
  size_t end = at + first.size;
  if (first.value == '\r' && end < text.size() && text[end] == '\n') return end + 1;
  if (has_text_bit(first.value, kClusterEnds)) return end;
  while (end < text.size()) {
    const CodePoint next = decode_utf8(text.data() + end);
    if (next.value < 128 || !has_text_bit(next.value, kClusterContinues)) break;
    end += next.size;
  }
  return end;
}

}  // namespace plumb::data
