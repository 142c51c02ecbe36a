// Regular expressions of tokenizer.json files are Oniguruma's; PCRE2 runs them. The two differ in what \s, \p{L} and
// the like hold (Unicode version), in classes inside classes, in ^ $ . and in a few escapes: this makes one into the
// other.
#pragma once

#include <string>
#include <string_view>

namespace plumb::data {

// Error(bad_input) at `where` for what has no equal in PCRE2 or is not known here.
std::string to_pcre2(std::string_view expression, const std::string& where);

}  // namespace plumb::data
