#include "core/hash.h"
#include "data/clean/rules.h"
#include "data/text/characters.h"

namespace plumb::data {
namespace {

std::vector<TextSpan>& scratch() {
  thread_local std::vector<TextSpan> spans;
  return spans;
}

}  // namespace

Judged::Judged(std::string_view text, const Segmenter& segmenter)
    : text_(text), segmenter_(segmenter), length_(count_code_points(text)), words_(scratch()) {}

const std::vector<TextSpan>& Judged::words() {
  if (!divided_) segmenter_.words(text_, words_);
  divided_ = true;
  return words_;
}

size_t Judged::length(std::string_view part) const { return is_ascii() ? part.size() : count_code_points(part); }

Duplicates find_duplicates(const std::vector<std::string_view>& elements, const Judged& judged) {
  // Open addressing; 0 is free, else an index + 1.
  thread_local std::vector<std::pair<uint64_t, uint32_t>> slots;
  size_t size = 16;
  while (size < elements.size() * 2) size *= 2;
  slots.assign(size, {0, 0});
  Duplicates found;
  for (size_t i = 0; i < elements.size(); ++i) {
    const uint64_t hash = core::xxh3(elements[i]);
    size_t at = hash & (size - 1);
    while (slots[at].second != 0 && !(slots[at].first == hash && elements[slots[at].second - 1] == elements[i]))
      at = (at + 1) & (size - 1);
    if (slots[at].second == 0) {
      slots[at] = {hash, static_cast<uint32_t>(i + 1)};
      continue;
    }
    ++found.elements;
    found.characters += judged.length(elements[i]);
  }
  return found;
}

}  // namespace plumb::data
