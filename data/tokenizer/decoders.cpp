#include <algorithm>
#include <charconv>

#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/decoder.h"
#include "data/tokenizer/text_pattern.h"
#include "data/tokenizer/text_pre_tokenizer.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  size_t done = 0;
  if (!from.empty()) {
    for (size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, done)) {
      result.append(text, done, at - done).append(to);
      done = at + from.size();
    }
  }
  return result.append(text.substr(done));
}

// White space before punctuation and English contractions, as BERT's decoder removes it.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules)
    if (text.find(from) != std::string::npos) text = replaced(text, from, to);
  return text;
}

class ByteLevelDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string text;
    for (const std::string& token : tokens) text += from_byte_level(token).value_or(token);
    tokens.assign(1, is_valid_utf8(text) ? text : repair_utf8(text));
  }
  bool byte_level() const override { return true; }
};

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) tokens[i] = tokens[i].starts_with(prefix_) ? tokens[i].substr(prefix_.size()) : " " + tokens[i];
      if (cleanup_) tokens[i] = cleaned_up(std::move(tokens[i]));
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, bool prepended)
      : replacement_(std::move(replacement)), prepended_(prepended) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replaced(tokens[i], replacement_, i == 0 && prepended_ ? "" : " ");
  }

 private:
  std::string replacement_;
  bool prepended_;
};

class SuffixDecoder final : public Decoder {  // BPEDecoder
 public:
  explicit SuffixDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replaced(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }

 private:
  std::string suffix_;
};

class ByteFallbackDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<std::string> result;
    result.reserve(tokens.size());
    std::string bytes;
    const auto flush = [&] {  // a run of bytes is one text, or one U+FFFD for each byte
      if (bytes.empty()) return;
      if (is_valid_utf8(bytes))
        result.push_back(std::move(bytes));
      else
        result.insert(result.end(), bytes.size(), "\xEF\xBF\xBD");
      bytes.clear();
    };
    for (std::string& token : tokens) {
      unsigned value = 0;
      const bool shaped = token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
      const char* const digits = token.data() + 3 + (shaped && token[3] == '+');  // Rust's numbers may have a sign
      if (shaped && std::from_chars(digits, token.data() + 5, value, 16).ptr == token.data() + 5 &&
          digits < token.data() + 5) {
        bytes += static_cast<char>(value);
      } else {
        flush();
        result.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(result);
  }
  bool byte_fallback() const override { return true; }
};

class FuseDecoder final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string text;
    for (const std::string& token : tokens) text += token;
    tokens.assign(1, std::move(text));
  }
};

class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
      for (int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      const auto matches = pattern_.matches(token);
      if (matches.empty()) continue;
      std::string result;
      size_t done = 0;
      for (const auto& [begin, end] : matches) {
        result.append(token, done, begin - done).append(content_);
        done = end;
      }
      token = result.append(token, done);
    }
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

class CtcDecoder final : public Decoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void decode(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      token = replaced(token, pad_, "");
      if (cleanup_) token = replaced(cleaned_up(std::move(token)), delimiter_, " ");
    }
    std::erase(tokens, "");
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

class DecoderSequence final : public Decoder {
 public:
  explicit DecoderSequence(std::vector<DecoderPtr> parts) : parts_(std::move(parts)) {}
  void decode(std::vector<std::string>& tokens) const override {
    for (const auto& part : parts_) part->decode(tokens);
  }
  bool byte_level() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const auto& part) { return part->byte_level(); });
  }
  bool byte_fallback() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const auto& part) { return part->byte_fallback(); });
  }

 private:
  std::vector<DecoderPtr> parts_;
};

const std::string& one_character(const JsonPlace& place) {
  const std::string& text = place.text();
  if (text.empty() || decode_utf8(text.data()).size != text.size()) place.expected("one character");
  return text;
}

}  // namespace

DecoderPtr read_decoder(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "Sequence") {
    const JsonPlace list = place.at("decoders").array();
    std::vector<DecoderPtr> parts;
    for (size_t i = 0; i < list.size(); ++i) parts.push_back(read_decoder(list[i]));
    return std::make_unique<DecoderSequence>(std::move(parts));
  }
  if (type == "ByteLevel") return std::make_unique<ByteLevelDecoder>();
  if (type == "WordPiece")
    return std::make_unique<WordPieceDecoder>(place.at("prefix").text(), place.at("cleanup").boolean());
  if (type == "Metaspace") {
    const bool prepended = read_prepend_scheme(place) != PrependScheme::never;
    return std::make_unique<MetaspaceDecoder>(one_character(place.at("replacement")), prepended);
  }
  if (type == "BPEDecoder") return std::make_unique<SuffixDecoder>(place.at("suffix").text());
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Strip")
    return std::make_unique<StripDecoder>(one_character(place.at("content")), place.at("start").integer(0, INT64_MAX),
                                          place.at("stop").integer(0, INT64_MAX));
  if (type == "Replace")
    return std::make_unique<ReplaceDecoder>(TextPattern(place.at("pattern")), place.at("content").text());
  if (type == "CTC")
    return std::make_unique<CtcDecoder>(place.at("pad_token").text(), place.at("word_delimiter_token").text(),
                                        place.at("cleanup").boolean());
  place.fail(fmt::format("decoder {} is not known", type), "the kinds of PyPI `tokenizers` 0.23 are read");
}

}  // namespace plumb::data
