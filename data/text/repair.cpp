// Characters that are damage or decoration of a medium, not text. docs/data.md, "Repair", lists them.
#include <array>
#include <optional>

#include "data/text/characters.h"
#include "data/text/normalize.h"
#include "data/text/windows1252.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// First bytes of characters that may have to go; all others are copied in runs.
constexpr std::array<bool, 256> suspect_bytes() {
  std::array<bool, 256> table{};
  for (size_t c = 0; c < 0x20; ++c) table[c] = c != '\t' && c != '\n';
  for (const size_t c : {0x7F, 0xC2, 0xD8, 0xE2, 0xEF}) table[c] = true;
  for (size_t c = 0xF0; c <= 0xF4; ++c) table[c] = true;
  return table;
}
constexpr auto kSuspectBytes = suspect_bytes();

bool is_bidi_control(uint32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0x061C;
}
bool is_noncharacter(uint32_t c) { return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE; }
bool is_tag(uint32_t c) { return c >= 0xE0000 && c <= 0xE007F; }

class Repair {
 public:
  Repair(std::string_view text, RepairCounts& counts, bool keep_form_feeds)
      : text_(text), counts_(counts), keep_form_feeds_(keep_form_feeds) {}

  // Leaves `repaired` alone and returns false when there is nothing to repair.
  bool run(std::string& repaired) {
    size_t copied = 0;
    for (size_t at = 0; at < text_.size();) {
      if (!kSuspectBytes[static_cast<unsigned char>(text_[at])]) {
        ++at;
        continue;
      }
      const CodePoint c = decode_utf8(text_.data() + at);
      const size_t end = at + c.size;
      const size_t next = replace(c.value, at, end, copied, repaired);
      at = next == 0 ? end : next;
    }
    if (!changed_) return false;
    repaired.append(text_, copied);
    return true;
  }

 private:
  std::string_view text_;
  RepairCounts& counts_;
  bool keep_form_feeds_;
  bool changed_ = false;
  std::optional<bool> right_to_left_, other_c1_;

  // Where the text goes on after a replaced character; 0: it stays.
  size_t replace(uint32_t c, size_t at, size_t end, size_t& copied, std::string& repaired) {
    size_t next = end;
    const auto [kind, replacement] = verdict(c, at, next);
    if (kind == nullptr) return 0;
    if (!changed_) repaired.reserve(text_.size());
    changed_ = true;
    ++counts_[kind];
    repaired.append(text_, copied, at - copied);
    if (replacement != 0) append_utf8(replacement, repaired);
    copied = next;
    return next;
  }

  struct Verdict {
    const char* kind = nullptr;  // nullptr: the character stays
    uint32_t replacement = 0;    // 0: nothing in its place
  };

  Verdict verdict(uint32_t c, size_t at, size_t& next) {
    if (c < 0x20 || c == 0x7F) return control(c, next);
    if (c >= 0x80 && c <= 0x9F) return c1(c);
    if (c == 0xA0 || c == 0x2007 || c == 0x202F) return {"spaces", ' '};
    if (c == 0x2028 || c == 0x2029) return {"line_ends", '\n'};
    if (c == 0xFEFF && at == 0) return {"byte_order_mark", 0};
    if (c == 0xAD || c == 0x2060 || c == 0xFEFF) return {"zero_width", 0};
    if (c == 0x200B) return between_complex(at, next) ? Verdict{} : Verdict{"zero_width", 0};
    if (c == 0x200C || c == 0x200D) return between_plain(at, next) ? Verdict{"zero_width", 0} : Verdict{};
    if (is_bidi_control(c)) return has_right_to_left() ? Verdict{} : Verdict{"bidi_controls", 0};
    if ((c >= 0xFFF9 && c <= 0xFFFB) || is_noncharacter(c)) return {"controls", 0};
    if (is_tag(c)) return after_flag(at) ? Verdict{} : Verdict{"controls", 0};
    return {};
  }

  Verdict control(uint32_t c, size_t& next) const {
    if (c == '\r') {
      if (next < text_.size() && text_[next] == '\n') ++next;
      return {"line_ends", '\n'};
    }
    if (c == '\f') return keep_form_feeds_ ? Verdict{} : Verdict{"line_ends", '\n'};
    if (c == '\v') return {"line_ends", '\n'};
    return {"controls", 0};
  }

  // NEL is a line end, or the ellipsis of a text that has other characters of Windows-1252 as well.
  Verdict c1(uint32_t c) {
    if (c == 0x85 && !has_other_c1()) return {"line_ends", '\n'};
    return {"c1_controls", kWindows1252[c - 0x80]};
  }

  bool has_other_c1() {
    if (!other_c1_) {
      other_c1_ = false;
      for (size_t at = text_.find('\xC2'); at != std::string_view::npos; at = text_.find('\xC2', at + 1)) {
        const auto second = static_cast<unsigned char>(text_[at + 1]);
        if (second <= 0x9F && second != 0x85) {
          other_c1_ = true;
          break;
        }
      }
    }
    return *other_c1_;
  }

  bool has_right_to_left() {
    if (!right_to_left_) {
      right_to_left_ = false;
      for (size_t at = 0; at < text_.size() && !*right_to_left_;) {
        const CodePoint c = decode_utf8(text_.data() + at);
        // The marks themselves are of these classes.
        right_to_left_ =
            c.value >= 0x590 && !is_bidi_control(c.value) && (characters()[c.value].flags & kIsRightToLeft);
        at += c.size;
      }
    }
    return *right_to_left_;
  }

  uint32_t before(size_t at) const { return at == 0 ? 0 : decode_utf8_before(text_.data(), text_.data() + at).value; }
  uint32_t after(size_t next) const { return next >= text_.size() ? 0 : decode_utf8(text_.data() + next).value; }

  // Thai and its like are broken into lines at zero-width spaces.
  bool between_complex(size_t at, size_t next) const {
    const auto complex = [](uint32_t c) { return (characters()[c].flags & kIsComplexContext) != 0; };
    return complex(before(at)) || complex(after(next));
  }
  // Joiners shape Arabic, Indic scripts and emoji; between ASCII and Hangul they do nothing.
  bool between_plain(size_t at, size_t next) const {
    const auto plain = [](uint32_t c) { return c < 0x80 || (characters()[c].flags & kIsHangul); };
    return plain(before(at)) && plain(after(next));
  }
  // Flags of regions are a black flag and tags; elsewhere tags are invisible text.
  bool after_flag(size_t at) const {
    for (int most = 8; most > 0 && at > 0; --most) {
      const CodePoint c = decode_utf8_before(text_.data(), text_.data() + at);
      if (c.value == 0x1F3F4) return true;
      if (!is_tag(c.value)) return false;
      at -= c.size;
    }
    return false;
  }
};

// More than one blank line in a row becomes one. Returns how many went.
int64_t collapse_blank_lines(std::string& text) {
  int64_t removed = 0;
  std::string made;
  size_t copied = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', end)) {
    size_t at = end + 1, line = at;  // line: begin of the line that is looked at
    int64_t blank = 0;
    for (; at < text.size(); ++at) {
      if (text[at] == '\n') {
        ++blank;
        line = at + 1;
      } else if (text[at] != ' ' && text[at] != '\t') {
        break;
      }
    }
    if (blank > 1) {
      made.append(text, copied, end + 1 - copied).append("\n");
      copied = line;
      removed += blank - 1;
    }
    end = line;
  }
  if (removed > 0) text = made.append(text, copied);
  return removed;
}

}  // namespace

void repair(std::string& text, RepairCounts& counts, bool keep_form_feeds) {
  if (!is_valid_utf8(text)) text = repair_utf8(text, &counts["invalid_utf8"]);
  if (const int64_t lines = repair_mojibake(text); lines > 0) counts["mojibake"] += lines;
  std::string repaired;
  if (Repair(text, counts, keep_form_feeds).run(repaired)) text.swap(repaired);
  if (const int64_t lines = collapse_blank_lines(text); lines > 0) counts["blank_lines"] += lines;
}

}  // namespace plumb::data
