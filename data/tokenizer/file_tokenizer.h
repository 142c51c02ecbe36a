// A tokenizer that stands in a file and can be written as one again.
#pragma once

#include <string>

#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

class FileTokenizer : public Tokenizer {
 public:
  // Text of a token as tokenizer.json writes it; empty when there is no such id.
  virtual std::string token_text(int32_t id) const = 0;
  // Whether encode_with_specials puts the token in front or behind.
  virtual bool adds_bos() const = 0;
  virtual bool adds_eos() const = 0;
};

}  // namespace plumb::data
