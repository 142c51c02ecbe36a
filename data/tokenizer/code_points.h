// A set of code points as sorted ranges: what a character class of a regular expression comes to.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace plumb::data {

class CodePoints {
 public:
  static constexpr uint32_t kLast = 0x10FFFF;
  void add(uint32_t first, uint32_t last);
  void add(const CodePoints& other);
  CodePoints others() const;  // all that are not in the set
  CodePoints common(const CodePoints& other) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<std::pair<uint32_t, uint32_t>>& ranges() const;

 private:
  mutable std::vector<std::pair<uint32_t, uint32_t>> ranges_;
  mutable bool sorted_ = true;
};

// The set behind a name in \p{...} ("L", "Lu", "Letter", "Han", "Space", ...) as the Oniguruma of `tokenizers` knows
// it. False: not known.
bool named_code_points(std::string name, CodePoints& result);

// The set that PCRE2 of this machine has for the name, asked once for each name; empty: it knows none.
const CodePoints& pcre2_code_points(const std::string& name);

}  // namespace plumb::data
