// Keys of `data.privacy`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using D = DataSection;
using P = PrivacySection;

template <auto member>
Key kinds(const char* name, const char* meaning) {
  return {.address = std::string("data.privacy.") + name,
          .type = Type::words,
          .fallback = "[]",
          .meaning = meaning,
          .bind = at<&C::data, &D::privacy, member>,
          .words = privacy_kind_words};
}

}  // namespace

std::vector<Key> privacy_keys() {
  return {
      {.address = "data.privacy.action",
       .type = Type::word,
       .fallback = "none",
       .meaning = "Personal data and secrets in documents: `replace` by the name of the kind (`<EMAIL>`), `hash` by a "
                  "tag that is the same for the same value under `data.privacy.key`, `drop` the document.",
       .bind = at<&C::data, &D::privacy, &P::action>,
       .words = "none replace hash drop"},
      kinds<&P::kinds>("kinds", "What `data.privacy.action` is for; empty: all kinds."),
      kinds<&P::replace>("replace", "Kinds that are replaced whatever `data.privacy.action` says."),
      kinds<&P::hash>("hash", "Kinds that are hashed whatever `data.privacy.action` says."),
      kinds<&P::drop>("drop", "Kinds whose documents are dropped whatever `data.privacy.action` says."),
      {.address = "data.privacy.key",
       .type = Type::path,
       .meaning = "File with the key of `hash`: 16 to 4096 bytes that only its owner can read, apart from the data.",
       .bind = at<&C::data, &D::privacy, &P::key>,
       .must_exist = true},
  };
}

}  // namespace plumb::config
