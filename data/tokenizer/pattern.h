// A regular expression of a tokenizer.json, run by PCRE2 (for the patterns without a hand-written scanner).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumb::data {

class Pattern {
 public:
  // Error(bad_input) at `where` for what PCRE2 refuses or reads otherwise than the Oniguruma of `tokenizers` does.
  Pattern(const std::string& expression, const std::string& where);
  ~Pattern();
  // Byte ranges of all matches in valid UTF-8, in order. Thread-safe.
  std::vector<std::pair<size_t, size_t>> matches(std::string_view text) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
