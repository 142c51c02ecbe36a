#include "data/tokenizer/text_pattern.h"

#include "data/tokenizer/normalizer.h"

namespace plumb::data {

TextPattern::TextPattern(const JsonPlace& place) {
  // A regular expression under the name String matches literally: the file is obeyed.
  if (const auto literal = place.find("String")) literal_ = literal->text();
  const auto regex = place.find("Regex");
  if (regex) regex_ = std::make_shared<const Pattern>(regex->text(), regex->where());
  if (!regex && !place.find("String")) place.expected("a String or a Regex");
  if (!regex && literal_.empty())
    regex_ = std::make_shared<const Pattern>("", place.where());  // between all characters
}

std::vector<std::pair<size_t, size_t>> TextPattern::matches(std::string_view text) const {
  if (regex_) return text.empty() ? std::vector<std::pair<size_t, size_t>>() : regex_->matches(text);
  std::vector<std::pair<size_t, size_t>> found;
  for (size_t at = text.find(literal_); at != std::string_view::npos; at = text.find(literal_, at + literal_.size()))
    found.emplace_back(at, at + literal_.size());
  return found;
}

namespace {

class Replace final : public Normalizer {
 public:
  Replace(TextPattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void normalize(NormalText& text) const override {
    const auto matches = pattern_.matches(text.text);
    if (matches.empty()) return;
    std::string result;
    result.reserve(text.text.size() + matches.size() * content_.size());
    size_t done = 0, first = 0;
    bool open = text.first > 0;  // everything so far stems from the first character
    const auto keep = [&](size_t end) {
      if (open) first = result.size() + std::min(end, text.first) - std::min(done, text.first);
      open = open && end <= text.first;
      result.append(text.text, done, end - done);
    };
    for (const auto& [begin, end] : matches) {
      keep(begin);
      result += content_;
      open = open && (end == 0 || end - 1 < text.first);  // inserted characters belong to what stands before them
      if (open) first = result.size();
      done = end;
    }
    keep(text.text.size());
    text.text = std::move(result);
    text.first = first;
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

}  // namespace

NormalizerPtr read_replace_normalizer(const JsonPlace& place) {
  return std::make_unique<Replace>(TextPattern(place.at("pattern")), place.at("content").text());
}

}  // namespace plumb::data
