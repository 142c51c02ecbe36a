// Keys of `tokenizer.extend`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

Extend* extend(void* owner, bool create) {
  auto& part = static_cast<Config*>(owner)->tokenizer.extend;
  if (!part && create) part.emplace();
  return part ? &*part : nullptr;
}

template <auto member>
Target extend_key(void* owner, bool create) {
  Extend* part = extend(owner, create);
  if (!part) return {};
  return &(part->*member);
}

void* append_source(void* owner) { return &extend(owner, true)->sources.emplace_back(); }

std::vector<void*> every_source(void* owner) {
  std::vector<void*> all;
  if (Extend* part = extend(owner, false))
    for (auto& source : part->sources) all.push_back(&source);
  return all;
}

}  // namespace

std::vector<Key> extend_keys() {
  return {
      {.address = "tokenizer.extend.tokens",
       .type = Type::count,
       .meaning = "How many tokens of a language or domain the base's byte-level BPE grows by; their rows start as the "
                  "mean of those of their old pieces.",
       .bind = extend_key<&Extend::tokens>,
       .least = 1,
       .most = 4194304,
       .peers = "LF add_tokens"},
      {.address = "tokenizer.extend.sources",
       .type = Type::items,
       .meaning = "The texts that the new tokens are learnt from; what the run holds out is left out here too.",
       .item_keys = source_keys,
       .append = append_source,
       .all = every_source},
      {.address = "tokenizer.extend.train",
       .type = Type::word,
       .default_note = "all",
       .meaning = "`new_rows` trains the rows of the new tokens alone and keeps every other weight to the bit; with an "
                  "adapter both are trained.",
       .bind = extend_key<&Extend::train>,
       .words = "all new_rows"},
  };
}

}  // namespace plumb::config
