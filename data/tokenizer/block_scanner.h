// Ends of the pieces of the published patterns, 64 bytes of text at a time: where pieces begin is a formula of a few
// operations on the masks of classes, and no branch depends on where words end.
#pragma once

#include <array>
#include <string_view>

#include "data/tokenizer/block_classes.h"

namespace plumb::data {

// Which scanner a pattern has; `none`: PCRE2 runs it.
enum class Scanner { none, gpt2, llama3, qwen2, cl100k };

class BlockScanner {
 public:
  // Valid UTF-8 that outlives the scanner, which is gpt2, llama3 or qwen2.
  BlockScanner(Scanner scanner, std::string_view text, const BlockTier& tier);

  // Offsets from base() of the ends of the next pieces; 0 when all are told. A piece may begin before base().
  size_t next(uint32_t* ends);
  const char* base() const { return base_; }
  static constexpr size_t kBlocks = 16;                       // at a time
  static constexpr size_t kRoom = kBlocks * kBlock + kBlock;  // of `ends`: some are written without being told

 private:
  struct Block {
    BlockClasses classes;
    const char* bytes;
    std::array<char, kBlockReadable> copy;
  };
  // What one block tells the next: of its last byte 0 or 1, unless said otherwise.
  struct Last {
    uint64_t letter = 0, number = 0, white = 1, space = 0, other = 0;  // before the text: what belongs to no word
    uint64_t absorbed = 0;            // a line end that belongs to the symbols before it
    uint64_t line = 0;                // a line end that does not
    uint64_t run = 0;                 // white space that does not
    uint64_t margin = 0;              // white space that is no line end
    std::array<uint64_t, 4> alone{};  // the n-th byte of a symbol that a word may begin with
    uint64_t digits = 0;              // numbers of the run so far, modulo three
  };

  void read(size_t index);
  const char* bytes_of(size_t index, Block& block) const;
  void add_high(Block& block);
  uint64_t gpt2_starts(const Block& now, const Block& behind);
  uint64_t llama3_starts(const Block& now, const Block& behind);
  uint64_t word_starts(const BlockClasses& c, uint64_t symbols);
  uint64_t number_starts(const BlockClasses& c);
  uint64_t white_starts(const BlockClasses& c, uint64_t other, uint64_t last_of_run);
  bool line_follows(size_t place) const;
  template <class Size>
  uint64_t contractions(uint64_t starts, uint64_t apostrophes, const char* bytes, Size&& size_of);

  Scanner scanner_;
  std::string_view text_;
  const BlockTier& tier_;
  const char* base_;
  size_t at_ = 0, count_;  // blocks
  bool finished_;
  std::array<Block, 2> blocks_;  // the one at hand and the one behind it, by the last bit of the index
  Last last_;
  uint64_t over_letter_ = 0, over_number_ = 0, over_white_ = 0;  // of a character that goes on in the next block
  uint64_t never_ = 0, always_ = 0;                              // starts that a contraction decides in the next block
};

}  // namespace plumb::data
