// Makes a tokenizer.json as `tokenizers` writes it, for the tokenizers that plumb makes itself.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

struct Composition {
  std::vector<std::string> vocabulary;                          // by id, byte-level alphabet
  std::vector<std::pair<std::string, std::string>> merges;      // in rank order
  std::vector<std::pair<std::string, int64_t>> special_tokens;  // with ids; bos is put before each text if named
  bool use_regex = true;                                        // GPT-2's pattern; false: no splitting
};
// All special tokens named, each once, in the order bos, eos, pad, extra. Without an eos: "<|endoftext|>".
std::vector<std::string> special_texts(SpecialTokens& specials);
TokenizerPtr compose_tokenizer(const Composition& composition, const SpecialTokens& specials);

}  // namespace plumb::data
