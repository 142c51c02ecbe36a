#include <algorithm>

#include "core/config/pointless.h"
#include "core/files.h"

namespace plumb::config {
namespace {

bool reads_objects(const Config& config) {
  const auto any = [](const auto& list) {
    return std::any_of(list.begin(), list.end(), [](const auto& each) { return core::is_remote(each.path); });
  };
  const auto& data = config.data;
  return core::is_remote(data.dataset) || any(data.sources) || any(data.validation) || any(data.decontaminate.sets) ||
         any(config.eval.sets) || (data.replay && (core::is_remote(data.replay->dataset) || any(data.replay->sources)));
}

bool takes_tokenizer_of_dataset(const Config& config) {
  return !config.data.dataset.empty() && config.model.base.empty() && config.tokenizer.type == "file" &&
         config.tokenizer.path.empty();
}

}  // namespace

bool nothing_is_built(const Config& config) {
  const auto& data = config.data;
  return !data.dataset.empty() && data.validation.empty() && (!data.replay || data.replay->sources.empty()) &&
         !config.tokenizer.extend;
}

// Who writes them beside a finished dataset may believe that it is cleaned and redacted.
std::vector<Pointless> pointless_dataset() {
  std::vector<Pointless> rules;
  for (const char* address : {"data.clean", "data.privacy", "data.dedup", "data.decontaminate", "data.packing",
                              "data.too_long", "data.strict", "data.threads", "tokenizer.special_in_text"})
    rules.push_back({address, "data.dataset", nothing_is_built,
                     "has no effect beside data.dataset: the dataset stays as it was built",
                     "give it to plumb data build with data.sources, or remove it"});
  rules.push_back({"method.loss_on", "data.dataset",
                   [](const Config& c) { return nothing_is_built(c) && c.method.name != "pretrain"; },
                   "has no effect beside data.dataset: what is trained on was decided when it was built",
                   "give it to plumb data build with data.sources, or remove it"});
  for (const char* address :
       {"tokenizer.special_tokens.bos", "tokenizer.special_tokens.eos", "tokenizer.special_tokens.pad"})
    rules.push_back({address, "data.dataset", takes_tokenizer_of_dataset,
                     "has no effect beside data.dataset: the dataset comes with its tokenizer, and that has its names",
                     "remove it"});
  return rules;
}

Pointless pointless_objects() {
  return {"data.object_cache", "data.sources", [](const Config& c) { return !reads_objects(c); },
          "has an effect only where something is read from a store (s3://)", "remove it"};
}

}  // namespace plumb::config
