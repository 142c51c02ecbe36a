// UTF-8 that somebody read as Windows-1252 or Latin-1 and wrote as UTF-8 again. A line is mended only where this is the
// one explanation: every character of it beyond ASCII must belong to a well-formed sequence, and there must be more
// evidence than capitals before a closing quotation mark (LIBERTÉ» reads as one sequence, too).
#include <optional>

#include "data/text/characters.h"
#include "data/text/normalize.h"
#include "data/text/windows1252.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

// The byte that was read as this character; 0: none.
uint8_t byte_of(uint32_t code_point) {
  if (code_point >= 0x80 && code_point <= 0xFF) return static_cast<uint8_t>(code_point);
  for (size_t i = 0; i < kWindows1252.size(); ++i)
    if (kWindows1252[i] != 0 && kWindows1252[i] == code_point) return static_cast<uint8_t>(0x80 + i);
  return 0;
}

bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Marks that stand after a capital letter in honest text: quotation marks, dashes, ellipsis, and the like.
bool may_follow_capital(uint32_t code_point) {
  return code_point == 0xAB || code_point == 0xBB || code_point == 0xA0 ||
         (code_point >= 0x2013 && code_point <= 0x203A);
}

struct Sequence {
  uint32_t code_point = 0;
  size_t length = 0;  // bytes of the text it took
  int evidence = 0;   // 2 is enough for a line
};

int evidence_of(uint32_t decoded, int characters, uint8_t lead, uint32_t second, char before) {
  if (characters == 4) return 2;
  // Dashes, quotation marks, arrows, shapes: what a Latin text has beyond Latin-1.
  if (characters == 3)
    return (decoded >= 0x2010 && decoded <= 0x27BF) || decoded == 0xFFFD || decoded == 0xFEFF ? 2 : 1;
  if (before >= 'a' && before <= 'z') return 2;  // a capital within a word
  return (lead == 0xC2 || lead == 0xC3) && !may_follow_capital(second) ? 2 : 1;
}

// The sequence whose lead was read as the character at `at`.
std::optional<Sequence> sequence_at(std::string_view line, size_t at) {
  const CodePoint first = decode_utf8(line.data() + at);
  const uint8_t lead = byte_of(first.value);
  const int wanted = lead >= 0xF0 && lead <= 0xF4  ? 4
                     : lead >= 0xE0 && lead < 0xF0 ? 3
                     : lead >= 0xC2 && lead < 0xE0 ? 2
                                                   : 0;
  if (wanted == 0) return std::nullopt;
  char bytes[4] = {static_cast<char>(lead), 0, 0, 0};
  uint32_t second = 0;
  size_t end = at + first.size;
  for (int i = 1; i < wanted; ++i) {
    if (end >= line.size()) return std::nullopt;
    const CodePoint next = decode_utf8(line.data() + end);
    const uint8_t byte = byte_of(next.value);
    if (!is_continuation(byte)) return std::nullopt;
    if (i == 1) second = next.value;
    bytes[i] = static_cast<char>(byte);
    end += next.size;
  }
  if (!is_valid_utf8({bytes, static_cast<size_t>(wanted)})) return std::nullopt;
  Sequence found;
  found.code_point = decode_utf8(bytes).value;
  if (found.code_point < 0xA0 || !(characters()[found.code_point].flags & kIsAssigned)) return std::nullopt;
  found.length = end - at;
  found.evidence = evidence_of(found.code_point, wanted, lead, second, at > 0 ? line[at - 1] : ' ');
  return found;
}

// Appends the line as it was meant; false (and nothing certain in `mended`) when it is to stay.
bool mend(std::string_view line, std::string& mended) {
  int evidence = 0;
  for (size_t at = 0; at < line.size();) {
    if (static_cast<signed char>(line[at]) >= 0) {
      mended += line[at++];
      continue;
    }
    const auto sequence = sequence_at(line, at);
    if (!sequence) return false;
    append_utf8(sequence->code_point, mended);
    evidence += sequence->evidence;
    at += sequence->length;
  }
  return evidence >= 2;
}

}  // namespace

int64_t repair_mojibake(std::string& text) {
  // Every lead is one of U+00C2 to U+00F4, whose first byte is C3.
  if (text.find('\xC3') == std::string::npos) return 0;
  constexpr int kMostRounds = 3;  // some texts went through it more than once
  std::string made;
  made.reserve(text.size());
  int64_t lines = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    end = end == std::string::npos ? text.size() : end + 1;
    std::string line = text.substr(begin, end - begin), mended;
    bool changed = false;
    for (int round = 0; round < kMostRounds && line.find('\xC3') != std::string::npos; ++round) {
      mended.clear();
      if (!mend(line, mended)) break;
      line.swap(mended);
      changed = true;
    }
    lines += changed;
    made += line;
    begin = end;
  }
  if (lines > 0) text.swap(made);
  return lines;
}

}  // namespace plumb::data
