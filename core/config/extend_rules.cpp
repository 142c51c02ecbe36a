// What tokenizer.extend asks of the rest.
#include <fmt/format.h>

#include "core/config/cross_rules.h"
#include "core/config/derive.h"

namespace plumb::config {
namespace {

class ExtendRules {
 public:
  ExtendRules(const Reading& reading, Purpose purpose, Problems& problems)
      : reading_(reading), config_(reading.config), purpose_(purpose), problems_(problems) {}

  void run() {
    if (!has("tokenizer.extend")) return;
    own_keys();
    tokenizer();
    comparison();
  }

 private:
  const Reading& reading_;
  const Config& config_;
  Purpose purpose_;
  Problems& problems_;

  bool has(const std::string& address) const { return reading_.find(address) != nullptr; }
  void error(const std::string& address, std::string message, std::string hint) {
    const Given* given = reading_.find(address);
    problems_.add(given ? given->key : Place{}, std::move(message), std::move(hint));
  }

  void own_keys() {
    const std::string group = "tokenizer.extend";
    if (!has(group + ".tokens"))
      error(group, "missing key tokenizer.extend.tokens", "how many tokens the vocabulary grows by, such as 4K");
    const bool listed = config_.tokenizer.extend && !config_.tokenizer.extend->sources.empty();
    if (!has(group + ".sources"))
      error(group, "missing key tokenizer.extend.sources", "give texts of the language or domain");
    else if (!listed && problems_.empty())
      error(group + ".sources", "expected at least one source, found []", "give texts of the language or domain");
    for (size_t i = 0; listed && i < config_.tokenizer.extend->sources.size(); ++i)
      if (config_.tokenizer.extend->sources[i].weight)
        error(fmt::format("{}.sources[{}].weight", group, i),
              fmt::format("{}.sources[{}].weight has no effect", group, i),
              "only data.sources are mixed by weight; remove it");
  }

  void tokenizer() {
    const auto& section = config_.tokenizer;
    if (section.type != "file")
      return error("tokenizer.extend",
                   fmt::format("tokenizer.extend cannot stand beside tokenizer.type {}", section.type),
                   "it grows the finished tokenizer of a base; remove one of them");
    if (has("model.base")) return;
    const bool file_alone = purpose_ == Purpose::tokenizer || purpose_ == Purpose::data || purpose_ == Purpose::eval;
    if (!file_alone)
      error("tokenizer.extend", "tokenizer.extend needs model.base",
            "random weights have no rows to grow from; tokenizer.type: bpe trains a tokenizer of your own");
    else if (!has("tokenizer.path") && purpose_ != Purpose::eval)
      error("tokenizer.extend", "tokenizer.extend needs model.base or tokenizer.path", "name the tokenizer that grows");
  }

  // The base is scored with its own tokenizer: a mean over tokens would compare different things.
  void comparison() {
    if (!config_.eval.before || !is_tuning(config_, purpose_) || purpose_ == Purpose::eval) return;
    for (size_t i = 0; i < config_.eval.sets.size(); ++i) {
      const auto& set = config_.eval.sets[i];
      if (set.metric != "perplexity" && set.metric != "answer_nll") continue;
      error(fmt::format("eval.sets[{}].metric", i),
            fmt::format("{} is a mean over tokens, and tokenizer.extend changes what a token is", set.metric),
            "bits_per_byte for texts, multiple_choice or exact_match for answers; or eval.before: false");
    }
  }
};

}  // namespace

void extend_rules(const Reading& reading, Purpose purpose, Problems& problems) {
  ExtendRules(reading, purpose, problems).run();
}

}  // namespace plumb::config
