// Decoders of a tokenizer.json: texts of tokens back into one text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/tokenizer/json_place.h"

namespace plumb::data {

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void decode(std::vector<std::string>& tokens) const = 0;
  // Whether the bytes behind the characters of GPT-2's alphabet, or behind <0x00> ... <0xFF>, come out.
  virtual bool byte_level() const { return false; }
  virtual bool byte_fallback() const { return false; }
};
using DecoderPtr = std::unique_ptr<const Decoder>;

// Error at the place of an unknown kind or option.
DecoderPtr read_decoder(const JsonPlace& place);

}  // namespace plumb::data
