#include "data/tokenizer/block_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "data/tokenizer/unicode.h"

namespace plumb::data {

BlockScanner::BlockScanner(Scanner scanner, std::string_view text, const BlockTier& tier)
    : scanner_(scanner),
      text_(text),
      tier_(tier),
      base_(text.data()),
      count_((text.size() + kBlock - 1) / kBlock),
      finished_(text.empty()) {
  if (!finished_) read(0);
}

// The last blocks are copied, so that nothing behind the text is read. The spaces behind keep white space at the end
// in one piece, as the pattern does.
const char* BlockScanner::bytes_of(size_t index, Block& block) const {
  const size_t begin = index * kBlock;
  if (begin + kBlockReadable <= text_.size()) return text_.data() + begin;
  block.copy.fill(' ');
  if (begin < text_.size()) std::memcpy(block.copy.data(), text_.data() + begin, text_.size() - begin);
  return block.copy.data();
}

void BlockScanner::read(size_t index) {
  Block& block = blocks_[index & 1];
  block.bytes = bytes_of(index, block);
  tier_.classes(block.bytes, block.classes);
  if (block.classes.high) add_high(block);
}

// The classes of characters that are not ASCII.
void BlockScanner::add_high(Block& block) {
  BlockClasses& c = block.classes;
  HighBytes bytes;
  tier_.high(block.bytes, bytes);
  const uint64_t three = bytes.letter3, two = bytes.letter2;
  c.inner = bytes.inner;
  c.letter |= three | three << 1 | three << 2 | two | two << 1 | over_letter_;
  c.number |= over_number_;
  c.white |= over_white_;
  over_letter_ = three >> 63 | three >> 62 | two >> 63;
  over_number_ = over_white_ = 0;
  for (uint64_t rest = c.high & ~(bytes.inner | three | two | bytes.other); rest; rest &= rest - 1) {
    const int at = std::countr_zero(rest);
    const CodePoint character = decode_utf8(block.bytes + at);
    const uint8_t bits = unicode_table().bits(character.value);
    if (!(bits & (kLetter | kNumber | kSpace))) continue;
    const uint64_t run = (uint64_t{1} << character.size) - 1;
    const uint64_t here = run << at, over = run >> 1 >> (63 - at);
    if (bits & kLetter) {
      c.letter |= here;
      over_letter_ |= over;
    } else if (bits & kNumber) {
      c.number |= here;
      over_number_ |= over;
    } else {
      c.white |= here;
      over_white_ |= over;
      (character.size == 2 ? c.white2 : c.white3) |= uint64_t{1} << at;
    }
  }
}

namespace {

// A mask moved on by one byte, with the bit of the byte before the block.
uint64_t previous(uint64_t mask, uint64_t last) { return mask << 1 | last; }

// Last characters of the runs of white space before something else.
uint64_t last_of_runs(const BlockClasses& c, const BlockClasses& behind) {
  const auto ahead = [&](int n) { return c.white >> n | behind.white << (64 - n); };
  uint64_t last = c.white & ~c.high & ~ahead(1);
  if (c.white2 | c.white3) last |= (c.white2 & ~ahead(2)) | (c.white3 & ~ahead(3));
  return last;
}

// Length of 's 't 're 've 'm 'll 'd; 0: none of them.
int contraction_size(char a, char b) {
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

}  // namespace

// A piece that starts with an apostrophe and is a contraction ends behind its letters, and none starts in it.
template <class Size>
inline uint64_t BlockScanner::contractions(uint64_t starts, uint64_t apostrophes, const char* bytes, Size&& size_of) {
  for (; apostrophes; apostrophes &= apostrophes - 1) {
    const int at = std::countr_zero(apostrophes), size = size_of(bytes + at);
    if (size == 0) continue;
    if (at < 63)
      starts &= ~(uint64_t{2} << at);
    else
      never_ |= 1;
    if (at + size < 64)
      starts |= uint64_t{1} << (at + size);
    else
      always_ |= uint64_t{1} << (at + size - 64);
  }
  return starts;
}

// Bits of the bytes at which pieces start.
inline uint64_t BlockScanner::gpt2_starts(const Block& now, const Block& behind) {
  const BlockClasses& c = now.classes;
  const uint64_t other = ~(c.letter | c.number | c.white);
  const uint64_t goes_on = (c.letter & previous(c.letter, last_.letter)) |
                           (c.number & previous(c.number, last_.number)) | (other & previous(other, last_.other));
  const uint64_t words = ~(c.white | goes_on | previous(c.space, last_.space));
  // A run of white space is a piece without its last character, which is one of its own or belongs to the next word.
  const uint64_t first = c.white & ~previous(c.white, last_.white), last = last_of_runs(c, behind.classes);
  last_.letter = c.letter >> 63;
  last_.number = c.number >> 63;
  last_.white = c.white >> 63;
  last_.space = c.space >> 63;
  last_.other = other >> 63;
  const uint64_t starts = ((words | first | last) & ~never_) | always_;
  never_ = always_ = 0;
  const uint64_t apostrophes = c.apostrophe & starts;
  if (apostrophes == 0) return starts;
  return contractions(starts, apostrophes, now.bytes, [](const char* at) { return contraction_size(at[1], at[2]); });
}

// A run of letters begins with a character before it that is neither letter nor number nor line end: with white space,
// or with a symbol that stands alone and not behind a space.
inline uint64_t BlockScanner::word_starts(const BlockClasses& c, uint64_t symbols) {
  const uint64_t letters = c.letter & ~previous(c.letter, last_.letter), margin = c.white & ~c.line;
  uint64_t alone = symbols & ~previous(c.space, last_.space), with = previous(margin, last_.margin);
  last_.margin = margin >> 63;
  for (size_t n = 0; n < 4; ++n) {  // bytes of the symbol
    const uint64_t next = previous(alone, last_.alone[n]);
    last_.alone[n] = alone >> 63;
    with |= next;
    alone = next & c.inner;
  }
  return letters & ~with;
}

// Numbers are pieces of up to three, or of one.
inline uint64_t BlockScanner::number_starts(const BlockClasses& c) {
  if (scanner_ == Scanner::qwen2) return c.number & ~c.inner;
  const uint64_t first = c.number & ~previous(c.number, last_.number);
  const bool goes_on = (c.number & ~first & 1) != 0;
  if (!goes_on && !(c.number & c.number << 1 & c.number << 2 & c.number << 3) && !(c.number & c.high)) {
    last_.digits = static_cast<uint64_t>(std::countl_one(c.number)) % 3;
    return first;
  }
  uint64_t starts = 0, digits = last_.digits;
  for (uint64_t left = c.number & ~c.inner; left; left &= left - 1) {
    const uint64_t bit = left & -left;
    if (first & bit) digits = 0;
    if (digits == 0) starts |= bit;
    digits = (digits + 1) % 3;
  }
  last_.digits = digits;
  return starts;
}

// Line ends behind symbols belong to them. Any other run of white space is a piece up to its last line end; what is
// left is one without its last character, which is one of its own or belongs to what follows.
inline uint64_t BlockScanner::white_starts(const BlockClasses& c, uint64_t other, uint64_t last_of_run) {
  const uint64_t behind_symbols = c.line & previous(other, last_.other | last_.absorbed);
  const uint64_t absorbed = c.line & ~(c.line + behind_symbols);  // the sum clears the runs that begin there
  const uint64_t run = c.white & ~absorbed, line = c.line & ~absorbed;
  const uint64_t first = run & ~previous(run, last_.run);
  uint64_t starts = first | (last_of_run & ~c.line);
  for (uint64_t left = run & ~c.line & previous(line, last_.line) & ~starts; left; left &= left - 1)
    if (!line_follows(at_ * kBlock + static_cast<size_t>(std::countr_zero(left)))) starts |= left & -left;
  last_.absorbed = absorbed >> 63;
  last_.run = run >> 63;
  last_.line = line >> 63;
  return starts;
}

// Whether a run of white space goes on to a line end. Each is looked at from one place at most, so that long runs take
// no more than their length.
bool BlockScanner::line_follows(size_t place) const {
  while (place < text_.size()) {
    if (text_[place] == '\n' || text_[place] == '\r') return true;
    const CodePoint c = decode_utf8(text_.data() + place);
    if (!(unicode_table().bits(c.value) & kSpace)) return false;
    place += c.size;
  }
  return false;
}

inline uint64_t BlockScanner::llama3_starts(const Block& now, const Block& behind) {
  const BlockClasses& c = now.classes;
  const uint64_t other = ~(c.letter | c.number | c.white);
  const uint64_t symbols = other & ~previous(other, last_.other);  // first ones of runs
  const uint64_t words = word_starts(c, symbols), numbers = number_starts(c);
  const uint64_t white = white_starts(c, other, last_of_runs(c, behind.classes));
  const uint64_t lone = symbols & ~previous(c.space, last_.space);
  last_.letter = c.letter >> 63;
  last_.number = c.number >> 63;
  last_.space = c.space >> 63;
  last_.other = other >> 63;
  const uint64_t starts = ((words | numbers | white | lone) & ~never_) | always_;
  never_ = always_ = 0;
  const uint64_t apostrophes = c.apostrophe & lone;
  if (apostrophes == 0) return starts;
  return contractions(starts, apostrophes, now.bytes, [](const char* at) {
    if (at[1] == '\xC5' && at[2] == '\xBF') return 3;  // U+017F folds to s
    return contraction_size(at[1] | 0x20, at[2] | 0x20);
  });
}

size_t BlockScanner::next(uint32_t* ends) {
  if (finished_) return 0;
  std::array<uint64_t, kBlocks> masks;
  size_t count = 0;
  while (count == 0) {  // a long piece ends in none of these blocks
    const size_t first = at_, until = std::min(first + kBlocks, count_);
    base_ = text_.data() + first * kBlock;
    for (; at_ < until; ++at_) {
      read(at_ + 1);
      const Block &now = blocks_[at_ & 1], &behind = blocks_[(at_ + 1) & 1];
      masks[at_ - first] = scanner_ == Scanner::gpt2 ? gpt2_starts(now, behind) : llama3_starts(now, behind);
    }
    if (first == 0) masks[0] &= ~uint64_t{1};  // the text's first piece ends none
    finished_ = until == count_;
    if (finished_ && text_.size() % kBlock != 0) masks[until - 1 - first] &= (uint64_t{1} << text_.size() % kBlock) - 1;
    count = tier_.places(masks.data(), until - first, ends);
    if (finished_) ends[count++] = static_cast<uint32_t>(text_.size() - first * kBlock);
  }
  return count;
}

}  // namespace plumb::data
