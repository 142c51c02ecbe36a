// How well a tokenizer fits texts, measured on the beginning of their sources.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

struct TokenizerFit {
  int64_t records = 0;  // that were read
  int64_t texts = 0, bytes = 0, tokens = 0;
  bool whole = true;  // nothing of any source was left out
  double bytes_per_token() const { return tokens == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(tokens); }
  std::string measured_on() const;  // "all 52 texts", "the beginning of each source: 64.0 MiB, 1,234 texts"
};

// At most `most_bytes` of text, as much of each source as of the others.
TokenizerFit tokenizer_fit(const std::vector<config::Source>& sources, const Tokenizer& tokenizer, int64_t most_bytes);

}  // namespace plumb::data
