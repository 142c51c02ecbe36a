// Classes of characters in 64 bytes of text as masks with a bit for each byte, made with the vectors this processor
// has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace plumb::data {

inline constexpr size_t kBlock = 64, kBlockReadable = 80;  // bytes that may be read from a block's begin on

struct BlockClasses {  // of ASCII characters; every byte of another character gets the character's class later
  uint64_t letter, number, white;
  uint64_t space;           // U+0020
  uint64_t line;            // U+000A, U+000D
  uint64_t apostrophe;      // U+0027
  uint64_t high;            // not ASCII
  uint64_t inner;           // not the first of their characters
  uint64_t white2, white3;  // first bytes of white space of two and of three bytes
};
// Bytes of a block that are not ASCII.
struct HighBytes {
  uint64_t inner;
  uint64_t letter2, letter3;  // first bytes of characters of two and of three bytes that are letters for certain
  uint64_t other;             // first bytes of characters that are neither letter nor number nor white space
};

struct BlockTier {
  const char* name;
  void (*classes)(const char* block, BlockClasses& result);
  void (*high)(const char* block, HighBytes& result);
  // Places of the bits of `count` masks; 64 more may be written than are told.
  size_t (*places)(const uint64_t* masks, size_t count, uint32_t* places);
};
// The ways of this processor, the best one first; none where it has no vectors of 32 bytes.
std::span<const BlockTier> block_tiers();
const BlockTier* best_block_tier();  // nullptr: none

}  // namespace plumb::data
