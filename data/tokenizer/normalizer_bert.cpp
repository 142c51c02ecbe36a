// BertNormalizer: cleaning, Chinese characters apart, accents off, lower case.
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"

namespace plumb::data {

namespace {

bool is_chinese(uint32_t c) {  // the ranges of the original BERT
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

struct Bert {
  bool clean = true, chinese = true, accents = true, lowercase = true;  // accents: strip them

  std::string operator()(std::string_view given) const {
    std::string text(given);
    if (clean || chinese) {
      text = by_character(text, [&](uint32_t c, std::string& out) {
        if (clean && (c == 0 || c == 0xFFFD || has_text_bit(c, kBertRemoved))) return;
        if (clean && (unicode_table().bits(c) & kSpace)) c = ' ';
        if (chinese && is_chinese(c)) {
          out += ' ';
          append_utf8(c, out);
          out += ' ';
        } else {
          append_utf8(c, out);
        }
      });
    }
    if (accents) {
      std::string decomposed;
      if (normalize_form(text, UnicodeForm::nfd, decomposed)) text = std::move(decomposed);
      text = by_character(text, [](uint32_t c, std::string& out) {
        if (!has_text_bit(c, kBertAccent)) append_utf8(c, out);
      });
    }
    if (lowercase) text = by_character(text, append_lowercase);
    return text;
  }
};

}  // namespace

NormalizerPtr read_bert_normalizer(const JsonPlace& place) {
  Bert bert;
  bert.clean = place.at("clean_text").boolean();
  bert.chinese = place.at("handle_chinese_chars").boolean();
  bert.lowercase = place.at("lowercase").boolean();
  bert.accents = place.boolean("strip_accents", bert.lowercase);
  return std::make_unique<TextFunction>(bert);
}

}  // namespace plumb::data
