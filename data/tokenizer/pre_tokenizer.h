// Cuts text into the pieces inside which BPE merges: the `pre_tokenizer` of a tokenizer.json.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/pattern.h"
#include "data/tokenizer/scanner.h"
#include "data/tokenizer/split_spans.h"

namespace plumb::data {

struct SplitStage {
  enum class Kind { scanner, regex, literal, digits } kind = Kind::scanner;
  Scanner scanner = Scanner::none;
  std::shared_ptr<const Pattern> regex;
  std::string literal;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;
};

class PreTokenizer {
 public:
  std::vector<SplitStage> stages;  // in order
  bool add_prefix_space = false;   // of the closing ByteLevel
  bool use_regex = true;           // ByteLevel applies GPT-2's pattern

  // Calls use(runs) for every run of pieces of `text`; the pieces do not outlive the call.
  template <class Use>
  void split(std::string_view text, Use&& use) const {
    const auto scan = [&](Scanner scanner, std::string_view part) {
      for (PieceRuns runs(scanner, part); runs.next();) use(runs);
    };
    if (stages.empty() && !add_prefix_space) return scan(use_regex ? Scanner::gpt2 : Scanner::none, text);
    if (stages.size() == 1 && !add_prefix_space && !use_regex && tiles(stages[0])) return scan(stages[0].scanner, text);
    std::deque<std::string> prefixed;
    for (const std::string_view part : split_by_stages(text, prefixed))
      scan(use_regex ? Scanner::gpt2 : Scanner::none, part);
  }

 private:
  static bool tiles(const SplitStage& stage) {
    return stage.kind == SplitStage::Kind::scanner && stage.behavior == SplitBehavior::isolated;
  }
  std::vector<std::string_view> split_by_stages(std::string_view text, std::deque<std::string>& prefixed) const;
};

}  // namespace plumb::data
