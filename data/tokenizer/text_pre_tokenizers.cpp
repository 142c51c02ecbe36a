// Pre-tokenizers that cut at patterns or rewrite pieces, and the sequence of several.
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/scanner.h"
#include "data/tokenizer/split_spans.h"
#include "data/tokenizer/text_pattern.h"
#include "data/tokenizer/text_pre_tokenizer.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

void TextPreTokenizer::apply(TextPieces& text) const {
  std::vector<TextPiece> out;
  out.reserve(text.pieces.size());
  for (const TextPiece& piece : text.pieces)
    if (!piece.text.empty()) split(piece, out, text);
  text.pieces = std::move(out);
}

namespace {

class List final : public TextPreTokenizer {
 public:
  explicit List(TextPreTokenizers parts) : parts_(std::move(parts)) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces& store) const override {
    std::vector<TextPiece> pieces{piece}, next;
    for (const auto& part : parts_) {
      next.clear();
      for (const TextPiece& each : pieces)
        if (!each.text.empty()) part->split(each, next, store);
      pieces.swap(next);
    }
    out.insert(out.end(), pieces.begin(), pieces.end());
  }

 private:
  TextPreTokenizers parts_;
};

class Split final : public TextPreTokenizer {
 public:
  Split(TextPattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void split(const TextPiece& piece, std::vector<TextPiece>& out, TextPieces&) const override {
    for (const SplitSpan& span : split_spans(pattern_.matches(piece.text), piece.text.size(), behavior_, invert_))
      out.push_back(piece.part(span.begin, span.end));
  }

 private:
  TextPattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class ByteLevel final : public TextPreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex) : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}
  void split(const TextPiece& given, std::vector<TextPiece>& out, TextPieces& store) const override {
    TextPiece piece = given;
    if (add_prefix_space_ && !piece.text.starts_with(' ')) {
      piece.text = store.keep(" " + std::string(piece.text));
      piece.first += piece.first > 0;
    }
    scan_pieces(use_regex_ ? Scanner::gpt2 : Scanner::none, piece.text, [&](const char* begin, const char* end) {
      const auto at = static_cast<size_t>(begin - piece.text.data()), to = static_cast<size_t>(end - piece.text.data());
      const TextPiece part = piece.part(at, to);
      out.push_back({store.keep(to_byte_level(part.text)),
                     part.first == 0 ? 0 : to_byte_level(part.text.substr(0, part.first)).size()});
    });
  }

 private:
  bool add_prefix_space_, use_regex_;
};

class Metaspace final : public TextPreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, bool cut)
      : replacement_(std::move(replacement)), scheme_(scheme), cut_(cut) {}

  void split(const TextPiece& given, std::vector<TextPiece>& out, TextPieces& store) const override {
    const bool prepend = !given.text.starts_with(' ') && !given.text.starts_with(replacement_) &&
                         (scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && given.first > 0));
    std::string text = prepend ? replacement_ : std::string();
    text.reserve(given.text.size() + given.text.size() / 2);
    size_t first = 0;
    for (size_t at = 0; at < given.text.size(); ++at) {
      if (given.text[at] == ' ')
        text += replacement_;
      else
        text += given.text[at];
      if (at + 1 == given.first) first = text.size();
    }
    const TextPiece piece{store.keep(std::move(text)), first};
    if (!cut_) return out.push_back(piece);
    std::vector<std::pair<size_t, size_t>> matches;
    for (size_t at = piece.text.find(replacement_); at != std::string_view::npos;
         at = piece.text.find(replacement_, at + replacement_.size()))
      matches.emplace_back(at, at + replacement_.size());
    for (const SplitSpan& span : split_spans(matches, piece.text.size(), SplitBehavior::merged_with_next, false))
      out.push_back(piece.part(span.begin, span.end));
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  bool cut_;
};

TextPreTokenizerPtr read_list(const JsonPlace& place) {
  const JsonPlace list = place.at("pretokenizers").array();
  TextPreTokenizers parts;
  for (size_t i = 0; i < list.size(); ++i) parts.push_back(read_text_pre_tokenizer(list[i]));
  return std::make_unique<List>(std::move(parts));
}

}  // namespace

TextPreTokenizerPtr read_metaspace(const JsonPlace& place) {
  const JsonPlace replacement = place.at("replacement");
  const std::string& text = replacement.text();
  if (text.empty() || decode_utf8(text.data()).size != text.size()) replacement.expected("one character");
  return std::make_unique<Metaspace>(text, read_prepend_scheme(place), place.boolean("split", true));
}

PrependScheme read_prepend_scheme(const JsonPlace& metaspace) {
  auto scheme = PrependScheme::always;
  if (const auto given = metaspace.find("prepend_scheme")) {
    const std::string& name = given->text();
    if (name != "first" && name != "never" && name != "always") given->expected("first, never or always");
    scheme = name == "first" ? PrependScheme::first : name == "never" ? PrependScheme::never : PrependScheme::always;
  }
  if (metaspace.boolean("add_prefix_space", true)) return scheme;
  if (metaspace.find("prepend_scheme") && scheme != PrependScheme::never)
    metaspace.fail("expected prepend_scheme never with add_prefix_space false, found another");
  return PrependScheme::never;
}

TextPreTokenizerPtr read_text_pre_tokenizer(const JsonPlace& place) {
  const std::string& type = place.at("type").text();
  if (type == "Sequence") return read_list(place);
  if (type == "ByteLevel")
    return std::make_unique<ByteLevel>(place.boolean("add_prefix_space", true), place.boolean("use_regex", true));
  if (type == "Split")
    return std::make_unique<Split>(TextPattern(place.at("pattern")), read_split_behavior(place.at("behavior")),
                                   place.at("invert").boolean());
  if (type == "Metaspace") return read_metaspace(place);
  TextPreTokenizers list;
  if (!read_character_pre_tokenizer(place, type, list))
    place.fail(fmt::format("pre_tokenizer {} is not known", type), "the kinds of PyPI `tokenizers` 0.23 are read");
  if (list.size() == 1) return std::move(list[0]);
  return std::make_unique<List>(std::move(list));
}

}  // namespace plumb::data
