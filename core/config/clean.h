// `data.clean`: what happens to a text before it becomes tokens. Off by default.
#pragma once

#include <string>
#include <vector>

namespace plumb::config {

struct CleanSection {
  std::string normalize = "none";      // none nfc nfkc
  std::vector<std::string> languages;  // kept ones; empty: all
  std::vector<std::string> rules;      // gopher_quality gopher_repetition c4 fineweb
};

}  // namespace plumb::config
