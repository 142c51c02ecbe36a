#include "data/source/charset.h"

#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "core/error.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

constexpr size_t kPrescan = 1024;       // HTML standard, "prescan a byte stream to determine its encoding"
constexpr size_t kDetected = 64 << 10;  // bytes the detector sees
constexpr int kLeastConfidence = 30;    // of 100

using Converter = std::unique_ptr<UConverter, decltype(&ucnv_close)>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Labels mean on the web what browsers take them for (WHATWG Encoding standard), not what their names say.
std::string converter_name(const std::string& label) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 20> names{{
      {"iso-8859-1", "windows-1252"},
      {"iso8859-1", "windows-1252"},
      {"latin1", "windows-1252"},
      {"us-ascii", "windows-1252"},
      {"ascii", "windows-1252"},
      {"euc-kr", "windows-949"},
      {"ks_c_5601-1987", "windows-949"},
      {"ksc5601", "windows-949"},
      {"korean", "windows-949"},
      {"iso-8859-9", "windows-1254"},
      {"iso-8859-11", "windows-874"},
      {"tis-620", "windows-874"},
      {"gb2312", "gb18030"},
      {"gbk", "gb18030"},
      {"shift_jis", "windows-31j"},
      {"sjis", "windows-31j"},
      {"x-sjis", "windows-31j"},
      {"utf-16", "utf-8"},
      {"utf-16le", "utf-8"},
      {"utf-16be", "utf-8"},
  }};
  for (const auto& [from, to] : names) {
    if (label == from) return to;
  }
  return label;
}

// Only what ICU knows by that name: the label comes from outside and must not be searched for as a file.
Converter open_converter(const std::string& label) {
  UErrorCode code = U_ZERO_ERROR;
  const std::string name = converter_name(label);
  const bool plain = !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':' || c == '.';
  });
  if (!plain || name == "utf-7" || ucnv_countAliases(name.c_str(), &code) == 0) return {nullptr, &ucnv_close};
  UConverter* converter = ucnv_open(name.c_str(), &code);
  return {U_SUCCESS(code) ? converter : nullptr, &ucnv_close};
}

Decoded convert(std::string_view bytes, UConverter* converter) {
  UErrorCode code = U_ZERO_ERROR;
  Decoded decoded;
  decoded.encoding = ucnv_getName(converter, &code);
  code = U_ZERO_ERROR;
  const icu::UnicodeString wide(bytes.data(), static_cast<int32_t>(bytes.size()), converter, code);
  if (U_FAILURE(code) || wide.isBogus()) {
    fail_input("", "text that does not decode as " + decoded.encoding + ": " + u_errorName(code));
  }
  wide.toUTF8String(decoded.text);
  for (size_t at = decoded.text.find("\xEF\xBF\xBD"); at != std::string::npos;
       at = decoded.text.find("\xEF\xBF\xBD", at + 3)) {
    ++decoded.undecodable;
  }
  return decoded;
}

// The label behind `charset=` or `encoding=` within the head of the page.
std::string declared(std::string_view bytes) {
  const std::string head = lower(bytes.substr(0, kPrescan));
  for (const std::string_view key : {"charset", "encoding"}) {
    for (size_t at = head.find(key); at != std::string::npos; at = head.find(key, at + 1)) {
      const size_t tag = head.rfind('<', at);
      if (tag == std::string::npos || (head.compare(tag, 5, "<meta") != 0 && head.compare(tag, 5, "<?xml") != 0)) {
        continue;
      }
      size_t from = head.find_first_not_of(" \t\r\n", at + key.size());
      if (from == std::string::npos || head[from] != '=') continue;
      from = head.find_first_not_of(" \t\r\n\"'", from + 1);
      if (from == std::string::npos) continue;
      const size_t end = std::min(head.find_first_of(" \t\r\n\"';>/?", from), head.size());
      return head.substr(from, end - from);
    }
  }
  return "";
}

std::string detected(std::string_view bytes) {
  UErrorCode code = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, decltype(&ucsdet_close)> detector(ucsdet_open(&code), &ucsdet_close);
  ucsdet_setText(detector.get(), bytes.data(), static_cast<int32_t>(std::min(bytes.size(), kDetected)), &code);
  ucsdet_enableInputFilter(detector.get(), true);  // markup is no text to judge by
  const UCharsetMatch* match = ucsdet_detect(detector.get(), &code);
  if (U_FAILURE(code) || !match || ucsdet_getConfidence(match, &code) < kLeastConfidence) return "windows-1252";
  return lower(ucsdet_getName(match, &code));
}

}  // namespace

Decoded decode_html(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) {
    bytes.remove_prefix(3);
    if (valid_utf8(bytes)) return {std::string(bytes), "utf-8", 0};
  }
  for (const auto& [mark, name] :
       {std::pair<std::string_view, const char*>{"\xFF\xFE", "UTF-16LE"}, {"\xFE\xFF", "UTF-16BE"}}) {
    if (!bytes.starts_with(mark)) continue;
    UErrorCode code = U_ZERO_ERROR;
    const Converter converter(ucnv_open(name, &code), &ucnv_close);
    return convert(bytes.substr(2), converter.get());
  }
  const bool utf8 = valid_utf8(bytes);
  const std::string label = declared(bytes);
  if (utf8 && (label.empty() || label == "utf-8" || label == "utf8")) return {std::string(bytes), "utf-8", 0};
  Converter converter = open_converter(label);
  // A page that is UTF-8 beyond ASCII is UTF-8, whatever an old <meta> says: text of other encodings almost never is.
  const bool ascii =
      std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
  if (utf8 && (!ascii || !converter)) return {std::string(bytes), "utf-8", 0};
  if (!converter) converter = open_converter(utf8 ? "utf-8" : detected(bytes));
  if (!converter) converter = open_converter("windows-1252");
  if (!converter) fail_internal("ICU has no converter for windows-1252");
  return convert(bytes, converter.get());
}

}  // namespace plumb::data
