#include "data/tokenizer/scanner.h"

namespace plumb::data {

const std::string_view kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kCl100kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+)";

Scanner scanner_for(std::string_view pattern) {
  if (pattern == kGpt2Pattern) return Scanner::gpt2;
  if (pattern == kLlama3Pattern) return Scanner::llama3;
  if (pattern == kQwen2Pattern) return Scanner::qwen2;
  if (pattern == kCl100kPattern) return Scanner::cl100k;
  return Scanner::none;
}

PieceRuns::PieceRuns(Scanner scanner, std::string_view text, const BlockTier* tier)
    : scanner_(scanner), text_(text), begin_(text.data()), base_(text.data()), end_(text.data()) {
  const bool in_blocks = scanner == Scanner::gpt2 || scanner == Scanner::llama3 || scanner == Scanner::qwen2;
  if (in_blocks && tier && text.size() >= kBlock) blocks_.emplace(scanner, text, *tier);
}

bool PieceRuns::next() {
  begin_ = end_;
  count_ = 0;
  if (blocks_) {
    count_ = blocks_->next(ends_.data());
    base_ = blocks_->base();
  } else if (begin_ < text_.data() + text_.size()) {
    switch (scanner_) {
      case Scanner::gpt2:
        fill([](const char* at, const scan::Text& t) { return scan::next_gpt2(at, t); });
        break;
      case Scanner::llama3:
        fill([](const char* at, const scan::Text& t) { return scan::next_llama3<3>(at, t); });
        break;
      case Scanner::qwen2:
        fill([](const char* at, const scan::Text& t) { return scan::next_llama3<1>(at, t); });
        break;
      case Scanner::cl100k:
        fill([](const char* at, const scan::Text& t) { return scan::next_llama3<3, true>(at, t); });
        break;
      case Scanner::none:
        fill([](const char*, const scan::Text& t) { return t.end; });
        break;
    }
  }
  if (count_ > 0) end_ = base_ + ends_[count_ - 1];
  return count_ > 0;
}

template <class Next>
inline void PieceRuns::fill(Next&& next) {
  const scan::Text text{text_.data() + text_.size(), unicode_table()};
  count_ = fill_run(begin_, text.end, std::span(ends_), base_, [&](const char* at) { return next(at, text); });
}

}  // namespace plumb::data
