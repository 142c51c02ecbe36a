// The simple normalizers, and which name stands for which.
#include <utility>
#include <vector>

#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"

namespace plumb::data {

namespace {

// NMT's cleaning: control characters vanish, other white space becomes a space.
std::string nmt(std::string_view text) {
  return by_character(text, [](uint32_t c, std::string& out) {
    const bool removed =
        (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    if (removed) return;
    const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
                       c == 0xFFFD;
    append_utf8(space ? ' ' : c, out);
  });
}

std::string strip_accents(std::string_view text) {
  return by_character(text, [](uint32_t c, std::string& out) {
    if (!has_text_bit(c, kCombining)) append_utf8(c, out);
  });
}

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void normalize(NormalText& text) const override {
    size_t begin = 0, end = text.text.size();
    while (left_ && begin < end) {
      const CodePoint c = decode_utf8(text.text.data() + begin);
      if (!(unicode_table().bits(c.value) & kSpace)) break;
      begin += c.size;
    }
    while (right_ && end > begin) {
      const CodePoint c = decode_utf8_before(text.text.data() + begin, text.text.data() + end);
      if (!(unicode_table().bits(c.value) & kSpace)) break;
      end -= c.size;
    }
    text.text = text.text.substr(begin, end - begin);
    text.first = begin > 0 ? 0 : std::min(text.first, text.text.size());
  }

 private:
  bool left_, right_;
};

class Sequence final : public Normalizer {
 public:
  explicit Sequence(std::vector<NormalizerPtr> parts) : parts_(std::move(parts)) {}
  void normalize(NormalText& text) const override {
    for (const auto& part : parts_) part->normalize(text);
  }

 private:
  std::vector<NormalizerPtr> parts_;
};

NormalizerPtr function(TextFunction::Function f) { return std::make_unique<TextFunction>(std::move(f)); }

NormalizerPtr form(UnicodeForm form) {
  return function([form](std::string_view text) {
    std::string normalized;
    return normalize_form(text, form, normalized) ? normalized : std::string(text);
  });
}

NormalizerPtr read_sequence(const JsonPlace& place) {
  const JsonPlace list = place.at("normalizers").array();
  std::vector<NormalizerPtr> parts;
  for (size_t i = 0; i < list.size(); ++i) parts.push_back(read_normalizer(list[i]));
  return std::make_unique<Sequence>(std::move(parts));
}

}  // namespace

NormalizerPtr read_normalizer(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "Sequence") return read_sequence(place);
  if (type == "NFC") return form(UnicodeForm::nfc);
  if (type == "NFD") return form(UnicodeForm::nfd);
  if (type == "NFKC") return form(UnicodeForm::nfkc);
  if (type == "NFKD") return form(UnicodeForm::nfkd);
  if (type == "Lowercase") return function([](std::string_view text) { return by_character(text, append_lowercase); });
  if (type == "StripAccents") return function(strip_accents);
  if (type == "Nmt") return function(nmt);
  if (type == "ByteLevel") return function(to_byte_level);
  if (type == "Strip") {
    return std::make_unique<Strip>(place.at("strip_left").boolean(), place.at("strip_right").boolean());
  }
  if (type == "Prepend") {
    return function([before = place.at("prepend").text()](std::string_view text) {
      return text.empty() ? std::string() : before + std::string(text);
    });
  }
  if (type == "Replace") return read_replace_normalizer(place);
  if (type == "Precompiled") return read_precompiled_normalizer(place);
  if (type == "BertNormalizer" || type == "Bert") return read_bert_normalizer(place);
  place.fail(fmt::format("normalizer {} is not known", type), "the kinds of PyPI `tokenizers` 0.23 are read");
}

}  // namespace plumb::data
