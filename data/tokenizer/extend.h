// More tokens for a language or domain on top of a byte-level BPE tokenizer: its merges go on where they ended, so that
// every text is first tokenized as before and then joined further.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

struct VocabularyExtension {
  TokenizerPtr tokenizer;
  int64_t first_new = 0;  // ids below are those of the base
  // For each new id from first_new on: the base's ids for the same bytes. A model's new row starts as the mean of
  // theirs.
  std::vector<std::vector<int32_t>> old_pieces;
};

class VocabularyExtender {
 public:
  // Error(bad_input) for a base that is not byte-level BPE.
  VocabularyExtender(TokenizerPtr base, int64_t tokens);
  ~VocabularyExtender();
  void add(std::string_view document);
  // The same for any order of the documents. Error(bad_input) when no pair of the texts occurs twice any more.
  VocabularyExtension extend();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The old pieces beside the tokenizer of a folder (tokenizer_extension.json), so that rows can be made from them later.
void save_extension(const VocabularyExtension&, const std::filesystem::path& folder);
VocabularyExtension load_extension(const std::filesystem::path& folder);  // with the tokenizer; checked

}  // namespace plumb::data
