#include "core/config/pointless.h"

#include "core/config/cross_rules.h"
#include "core/config/schema.h"

namespace plumb::config {
namespace {

Pointless of_minhash(const char* address) {
  return {address, "data.dedup.minhash", [](const Config& c) { return !c.data.dedup.minhash; },
          "has an effect only with data.dedup.minhash true", "remove it, or write data.dedup.minhash: true"};
}

bool decontaminates_not(const Config& config) { return config.data.decontaminate.action == "none"; }
constexpr const char* decontaminate_hint = "write data.decontaminate.action: report, mask or drop, or remove it";

std::vector<Pointless> all_pointless() {
  std::vector<Pointless> rules = {
      {"method.lora", "method.adapter", [](const Config& c) { return c.method.adapter != "lora"; },
       "has no effect with method.adapter none", "write method.adapter: lora, or remove it"},
      {"train.schedule.decay", "train.schedule.name",
       [](const Config& c) { return c.train.schedule.name != "warmup_stable_decay"; },
       "has an effect only with train.schedule.name warmup_stable_decay", "remove it, or change the schedule"},
      {"train.schedule.min_learning_rate", "train.schedule.name",
       [](const Config& c) { return c.train.schedule.name == "constant"; },
       "has no effect with train.schedule.name constant", "remove it, or change the schedule"},
      {"tokenizer.vocab_size", "tokenizer.type", [](const Config& c) { return c.tokenizer.type != "bpe"; },
       "has an effect only with tokenizer.type bpe", "remove it, or write tokenizer.type: bpe"},
      {"tokenizer.path", "tokenizer.type", [](const Config& c) { return c.tokenizer.type != "file"; },
       "has an effect only with tokenizer.type file", "remove it, or write tokenizer.type: file"},
      {"tokenizer.special_tokens.extra", "tokenizer.type", [](const Config& c) { return c.tokenizer.type == "file"; },
       "has no effect with tokenizer.type file", "remove it: a finished tokenizer has its special tokens already"},
      {"tokenizer.extend.train", "method.adapter",
       [](const Config& c) { return c.tokenizer.extend && c.method.adapter != "none"; },
       "has no effect with method.adapter lora: the new rows and the adapter are trained", "remove it"},
      {"output.checkpoint.best", "output.checkpoint.keep_best",
       [](const Config& c) { return c.output.checkpoint.keep_best == 0; },
       "has no effect with output.checkpoint.keep_best 0", "write keep_best: 1, or remove it"},
      {"method.loss_on", "method.name",
       [](const Config& c) { return c.method.name == "pretrain" && c.method.loss_on != "all"; },
       "has no effect with method.name pretrain: all tokens have a loss", "remove it, or write method.name: sft"},
      {"data.privacy.kinds", "data.privacy.action", [](const Config& c) { return c.data.privacy.action == "none"; },
       "has no effect with data.privacy.action none", "write data.privacy.action: replace, hash or drop, or remove it"},
      {"data.privacy.key", "data.privacy.action",
       [](const Config& c) { return c.data.privacy.action != "hash" && c.data.privacy.hash.empty(); },
       "has an effect only with action hash", "remove it, or write data.privacy.action: hash"},
      {"data.decontaminate.ngram", "data.decontaminate.action", decontaminates_not,
       "has no effect with data.decontaminate.action none", decontaminate_hint},
      {"data.decontaminate.min_overlap", "data.decontaminate.action", decontaminates_not,
       "has no effect with data.decontaminate.action none", decontaminate_hint},
      {"data.decontaminate.sets", "data.decontaminate.action", decontaminates_not,
       "has no effect with data.decontaminate.action none", decontaminate_hint},
      {"model.initializer_range", "model.base", [](const Config& c) { return !c.model.base.empty(); },
       "has no effect beside model.base", "remove it: the base has its weights already"},
      of_minhash("data.dedup.ngram"),
      of_minhash("data.dedup.buckets"),
      of_minhash("data.dedup.rows"),
      of_minhash("data.dedup.verify"),
      {"data.dedup.memory", "data.dedup.exact", [](const Config& c) { return !c.data.dedup.active(); },
       "has an effect only with a kind of deduplication",
       "remove it, or write data.dedup.exact: true, data.dedup.minhash: true or data.dedup.substring: 100"},
      pointless_objects(),
  };
  for (const auto& more : {pointless_clean(), pointless_dataset()}) rules.insert(rules.end(), more.begin(), more.end());
  return rules;
}

}  // namespace

const std::vector<Pointless>& pointless_rules() {
  static const std::vector<Pointless> rules = all_pointless();
  return rules;
}

std::vector<std::string> pointless_keys(const Config& config) {
  std::vector<std::string> addresses;
  for (const auto& rule : pointless_rules()) {
    if (!rule.holds(config)) continue;
    for (const auto& key : all_keys())
      if (key.address == rule.address || key.address.starts_with(std::string(rule.address) + "."))
        addresses.push_back(key.address);
  }
  return addresses;
}

}  // namespace plumb::config
