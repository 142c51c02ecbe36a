#include "data/tokenizer/unicode.h"

#include <simdjson.h>
#include <utf8proc.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "data/tokenizer/block_classes.h"

namespace plumb::data {

UnicodeTable::UnicodeTable() {
  std::vector<uint8_t> flat(0x110000, 0);
  for (size_t i = 0; i < kUnicodeRangeCount; ++i) {
    const auto& range = kUnicodeRanges[i];
    std::fill(flat.begin() + range.first, flat.begin() + range.last + 1, range.bits);
  }
  std::copy_n(flat.begin(), 128, ascii_.begin());
  for (size_t b = 0; b < block_.size(); ++b) {
    std::array<uint8_t, 256> content;
    std::copy_n(flat.begin() + static_cast<std::ptrdiff_t>(b) * 256, 256, content.begin());
    auto found = std::find(blocks_.begin(), blocks_.end(), content);
    block_[b] = static_cast<uint8_t>(found - blocks_.begin());
    if (found == blocks_.end()) blocks_.push_back(content);  // about 120 distinct blocks
  }
}

const UnicodeTable& unicode_table() {
  static const UnicodeTable table;
  return table;
}

void append_utf8(uint32_t c, std::string& text) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | c >> 6);
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | c >> 12);
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | c >> 18);
    text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

namespace {

// Length of the well-formed character at `p`, or minus the length of the maximal invalid part (Unicode table 3-7).
int well_formed(const unsigned char* p, size_t left) {
  const unsigned char lead = p[0];
  if (lead < 0x80) return 1;
  const int size = lead >= 0xC2 && lead < 0xE0   ? 2
                   : lead >= 0xE0 && lead < 0xF0 ? 3
                   : lead >= 0xF0 && lead < 0xF5 ? 4
                                                 : 0;
  if (size == 0) return -1;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (int i = 1; i < size; ++i) {
    const bool fits = static_cast<size_t>(i) < left && p[i] >= (i == 1 ? low : 0x80) && p[i] <= (i == 1 ? high : 0xBF);
    if (!fits) return -i;
  }
  return size;
}

}  // namespace

std::string repair_utf8(std::string_view text, int64_t* replaced) {
  std::string result;
  result.reserve(text.size() + 16);
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (size_t at = 0; at < text.size();) {
    const int length = well_formed(p + at, text.size() - at);
    if (length > 0) {
      result.append(text, at, static_cast<size_t>(length));
      at += static_cast<size_t>(length);
    } else {
      result += "\xEF\xBF\xBD";
      at += static_cast<size_t>(-length);
      if (replaced) ++*replaced;
    }
  }
  return result;
}

InvalidUtf8 invalid_utf8(std::string_view text) {
  InvalidUtf8 found;
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (size_t at = 0; at < text.size();) {
    const int length = well_formed(p + at, text.size() - at);
    if (length < 0 && found.parts++ == 0) found.first = at;
    found.multibyte += length > 1;
    at += static_cast<size_t>(std::abs(length));
  }
  return found;
}

namespace {

// One character that NFC leaves alone, with what follows it up to the next such character.
void normalize_segment(std::string_view segment, std::string& out) {
  const CodePoint head = decode_utf8(segment.data());
  // A mark that the system's table knows and that of `tokenizers` does not: nothing may be ordered around it.
  if (!(unicode_table().bits(head.value) & kNfc) &&
      utf8proc_get_property(static_cast<utf8proc_int32_t>(head.value))->combining_class != 0) {
    out.append(segment.substr(0, head.size));
    segment.remove_prefix(head.size);
  }
  if (segment.empty()) return;
  utf8proc_uint8_t* composed = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(segment.data()),
                                   static_cast<utf8proc_ssize_t>(segment.size()), &composed,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(composed, &std::free);
  if (length < 0) throw std::bad_alloc();  // valid UTF-8 leaves memory as the only reason
  out.append(reinterpret_cast<const char*>(composed), static_cast<size_t>(length));
}

}  // namespace

namespace {

// Where the next character lies that NFC may change or join to the one before; the text's size if nowhere.
size_t next_unsettled(std::string_view text, size_t at) {
  const UnicodeTable& table = unicode_table();
  const auto settled = [&](CodePoint c) { return !(table.bits(c.value) & kNfc); };
  // Of a block only those characters are looked up whose bytes do not tell that they are settled.
  for (const BlockTier* tier = best_block_tier(); tier && text.size() - at >= kBlockReadable; at += kBlock) {
    BlockClasses classes;
    tier->classes(text.data() + at, classes);
    if (classes.high == 0) continue;
    HighBytes bytes;
    tier->high(text.data() + at, bytes);
    uint64_t rest = classes.high & ~(bytes.inner | bytes.letter2 | bytes.letter3 | bytes.other);
    for (; rest; rest &= rest - 1) {
      const size_t place = at + static_cast<size_t>(std::countr_zero(rest));
      if (!settled(decode_utf8(text.data() + place))) return place;
    }
  }
  while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;  // the end of the last block's last character
  while (at < text.size()) {
    const CodePoint c = decode_utf8(text.data() + at);
    if (!settled(c)) return at;
    at += c.size;
  }
  return text.size();
}

}  // namespace

bool normalize_nfc(std::string_view text, std::string& normalized) {
  std::string out;
  size_t copied = 0;  // text before it is in `out`
  for (size_t at = next_unsettled(text, 0); at < text.size(); at = next_unsettled(text, at)) {
    // From the last character that NFC leaves alone up to the next such.
    const size_t head = at > copied ? at - decode_utf8_before(text.data() + copied, text.data() + at).size : at;
    while (at < text.size()) {
      const CodePoint next = decode_utf8(text.data() + at);
      if (!(unicode_table().bits(next.value) & kNfc)) break;
      at += next.size;
    }
    out.append(text, copied, head - copied);
    normalize_segment(text.substr(head, at - head), out);
    copied = at;
  }
  if (copied == 0) return false;
  out.append(text, copied);
  normalized = std::move(out);
  return true;
}

}  // namespace plumb::data
