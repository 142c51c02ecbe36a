#include "data/text/normalize.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include <algorithm>

#include "core/error.h"
#include "data/text/characters.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {
namespace {

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) fail_internal(fmt::format("ICU: {}: {}", what, u_errorName(status)));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
}

icu::StringPiece piece(std::string_view text) {
  if (text.size() > INT32_MAX)
    fail_input("", fmt::format("expected a text of less than 2 GiB, found one of {} bytes", text.size()),
               "cut it into several documents");
  return {text.data(), static_cast<int32_t>(text.size())};
}

std::string normalized(const icu::Normalizer2& form, std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  std::string made;
  made.reserve(text.size() + text.size() / 8);
  icu::StringByteSink<std::string> sink(&made);
  form.normalizeUTF8(0, piece(text), sink, nullptr, status);
  check(status, "normal form");
  return made;
}

bool change(const icu::Normalizer2* form, UErrorCode status, std::string& text) {
  check(status, "tables of a normal form");
  if (is_ascii(text)) return false;
  status = U_ZERO_ERROR;
  const bool already = form->isNormalizedUTF8(piece(text), status);
  check(status, "check of a normal form");
  if (already) return false;
  text = normalized(*form, text);
  return true;
}

}  // namespace

bool to_nfc(std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  return change(icu::Normalizer2::getNFCInstance(status), status, text);
}

bool to_nfkc(std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  return change(icu::Normalizer2::getNFKCInstance(status), status, text);
}

std::string nfd_without_marks(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFDInstance(status);
  check(status, "tables of a normal form");
  const std::string decomposed = normalized(*form, text);
  std::string kept;
  kept.reserve(decomposed.size());
  const CharacterTable& table = characters();
  for (size_t at = 0; at < decomposed.size();) {
    const CodePoint c = decode_utf8(decomposed.data() + at);
    if (!(table[c.value].flags & kIsNonspacingMark)) kept.append(decomposed, at, c.size);
    at += c.size;
  }
  return kept;
}

}  // namespace plumb::data
