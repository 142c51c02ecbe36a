#include "data/decontaminate/words.h"

#include <simdjson.h>
#include <utf8proc.h>

#include <limits>

#include "core/error.h"
#include "core/hash.h"
#include "data/text/normalize.h"

namespace plumb::data::decontaminate {
namespace {

bool is_kept(utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

// Letters that are their own lower case and have no accents: most of Korean, Chinese and Japanese.
bool is_plain(utf8proc_int32_t c) {
  return (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x3041 && c <= 0x3096);
}

void append(utf8proc_int32_t c, std::string& text) {
  utf8proc_uint8_t bytes[4];
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(utf8proc_encode_char(c, bytes)));
}

// Appends the word in the form that is compared.
void add_folded(std::string_view word, std::string& text) {
  const size_t begin = text.size();
  bool plain = true;
  for (size_t at = 0; at < word.size();) {
    const unsigned char byte = word[at];
    if (byte < 0x80) {
      if (byte >= 'A' && byte <= 'Z')
        text += static_cast<char>(byte + 32);
      else if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9'))
        text += static_cast<char>(byte);
      ++at;
      continue;
    }
    utf8proc_int32_t c = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(word.data()) + at,
                                        static_cast<utf8proc_ssize_t>(word.size() - at), &c);
    if (is_plain(c)) {
      text.append(word, at, static_cast<size_t>(bytes));
    } else if (is_kept(c)) {
      append(utf8proc_tolower(c), text);
      plain = false;
    }
    at += static_cast<size_t>(bytes);
  }
  if (plain) return;
  std::string folded = nfd_without_marks(std::string_view(text).substr(begin));
  to_nfc(folded);  // Korean that came decomposed is put together again
  text.replace(begin, std::string::npos, folded);
}

// Bytes that are no UTF-8 become spaces, so that every other byte keeps its place.
std::string with_spaces(std::string_view text) {
  std::string valid(text);
  for (size_t at = 0; at < valid.size();) {
    utf8proc_int32_t c = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(valid.data()) + at,
                                        static_cast<utf8proc_ssize_t>(valid.size() - at), &c);
    if (bytes <= 0) valid[at] = ' ';
    at += bytes > 0 ? static_cast<size_t>(bytes) : 1;
  }
  return valid;
}

}  // namespace

void words_of(std::string_view text, Words& words) {
  if (text.size() >= std::numeric_limits<uint32_t>::max())
    fail_input("", "expected a document of less than 4 GiB, found " + std::to_string(text.size()) + " bytes");
  words.text.clear();
  words.offsets.clear();
  words.hashes.clear();
  words.spans.clear();
  std::string valid;
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    valid = with_spaces(text);
    text = valid;
  }
  thread_local std::vector<TextSpan> segments;
  segments.clear();
  word_spans(text, segments);
  for (const auto& segment : segments) {
    const size_t begin = words.text.size();
    add_folded(text.substr(segment.begin, segment.end - segment.begin), words.text);
    if (words.text.size() == begin) continue;
    words.offsets.push_back(static_cast<uint32_t>(begin));
    words.hashes.push_back(core::xxh3(std::string_view(words.text).substr(begin)));
    words.spans.push_back(segment);
    words.text += ' ';
  }
  words.offsets.push_back(static_cast<uint32_t>(words.text.size()));
}

RollingHash::RollingHash(size_t longest) : powers_(longest + 1, 1) {
  for (size_t i = 1; i <= longest; ++i) powers_[i] = powers_[i - 1] * 0x9e3779b97f4a7c15ULL;
}

void RollingHash::read(const std::vector<uint64_t>& hashes) {
  sums_.resize(hashes.size() + 1);
  sums_[0] = 0;
  for (size_t i = 0; i < hashes.size(); ++i) sums_[i + 1] = sums_[i] * 0x9e3779b97f4a7c15ULL + hashes[i];
}

}  // namespace plumb::data::decontaminate
