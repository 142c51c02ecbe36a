// Keys of `data.decontaminate`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using D = DataSection;
using X = DecontaminateSection;

const std::vector<Key>& set_keys() {
  using S = ContaminationSet;
  static const std::vector<Key> keys = {
      {.address = "path",
       .type = Type::path,
       .meaning = "A file, a folder or a pattern with `*`, as in `data.sources`.",
       .bind = at<&S::path>,
       .required = true,
       .must_exist = true},
      {.address = "format",
       .type = Type::word,
       .fallback = "text",
       .meaning = "What a record is, as in `data.sources`.",
       .bind = at<&S::format>,
       .words = "text alpaca dolly messages prompt_completion"},
      {.address = "fields",
       .type = Type::columns,
       .fallback = "{}",
       .meaning = "Our field to the file's column: `{prompt: question}`.",
       .bind = at<&S::fields>},
      {.address = "name",
       .type = Type::text,
       .default_note = "the path's stem",
       .meaning = "How the set is called in reports.",
       .bind = at<&S::name>},
  };
  return keys;
}

std::vector<ContaminationSet>& list_of(void* owner) { return static_cast<Config*>(owner)->data.decontaminate.sets; }

void* append_set(void* owner) { return &list_of(owner).emplace_back(); }

std::vector<void*> every_set(void* owner) {
  std::vector<void*> all;
  for (auto& set : list_of(owner)) all.push_back(&set);
  return all;
}

}  // namespace

std::vector<Key> decontaminate_keys() {
  return {
      {.address = "data.decontaminate.action",
       .type = Type::word,
       .fallback = "none",
       .meaning = "Documents that hold items of `eval.sets`: `report` them, `mask` the words they share (samples of a "
                  "conversation are dropped), or `drop` them.",
       .bind = at<&C::data, &D::decontaminate, &X::action>,
       .words = "none report mask drop"},
      {.address = "data.decontaminate.ngram",
       .type = Type::integer,
       .fallback = "13",
       .meaning =
           "Words in a row that must be equal, without case and punctuation; a shorter item, of 8 words or more, "
           "must stand there as a whole.",
       .bind = at<&C::data, &D::decontaminate, &X::ngram>,
       .least = 2,
       .most = 256},
      {.address = "data.decontaminate.min_overlap",
       .type = Type::fraction,
       .fallback = "0",
       .meaning =
           "Share of an item's words that a document must hold to count as contaminated; 0: one n-gram is enough.",
       .bind = at<&C::data, &D::decontaminate, &X::min_overlap>,
       .least = 0,
       .most = 1},
      {.address = "data.decontaminate.sets",
       .type = Type::items,
       .meaning = "Texts that must not be trained on, beside `eval.sets`.",
       .item_keys = set_keys,
       .append = append_set,
       .all = every_set},
  };
}

}  // namespace plumb::config
