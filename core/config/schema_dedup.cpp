// Keys of `data.dedup`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using D = DataSection;
using X = DedupSection;

std::vector<Key> which_keys() {
  return {
      {.address = "data.dedup.exact",
       .type = Type::boolean,
       .fallback = "false",
       .meaning = "Documents with the same text are kept once, the first of them.",
       .bind = at<&C::data, &D::dedup, &X::exact>},
      {.address = "data.dedup.minhash",
       .type = Type::boolean,
       .fallback = "false",
       .meaning = "Documents that are nearly equal (MinHash over word n-grams) are kept once, the first of a cluster.",
       .bind = at<&C::data, &D::dedup, &X::minhash>},
      {.address = "data.dedup.substring",
       .type = Type::integer,
       .fallback = "none",
       .meaning = "Passages of at least so many bytes (100 is usual) that stood in the corpus before are cut out, not "
                  "of conversations; the corpus must fit into `data.dedup.memory`.",
       .bind = at<&C::data, &D::dedup, &X::substring>,
       .may_be_none = true,
       .least = 20,
       .most = 1048576},
      {.address = "data.dedup.memory",
       .type = Type::bytes,
       .fallback = "auto",
       .meaning = "Memory of deduplication; `auto`: a quarter of what is free, at most 4 GiB (for `substring` half of "
                  "what is free). It changes no result.",
       .bind = at<&C::data, &D::dedup, &X::memory>,
       .may_be_auto = true,
       .pace = true,
       .least = 16777216},
  };
}

std::vector<Key> minhash_keys() {
  return {
      {.address = "data.dedup.ngram",
       .type = Type::integer,
       .fallback = "5",
       .meaning = "Words in a shingle of MinHash; a shorter document is one shingle.",
       .bind = at<&C::data, &D::dedup, &X::ngram>,
       .least = 1,
       .most = 64,
       .peers = "datatrove n_grams"},
      {.address = "data.dedup.buckets",
       .type = Type::integer,
       .fallback = "14",
       .meaning = "Buckets: a pair of Jaccard similarity s meets in one of them with 1 - (1 - s^rows)^buckets.",
       .bind = at<&C::data, &D::dedup, &X::buckets>,
       .least = 1,
       .most = 256,
       .peers = "datatrove num_buckets"},
      {.address = "data.dedup.rows",
       .type = Type::integer,
       .fallback = "8",
       .meaning = "Minima that must all be equal in a bucket.",
       .bind = at<&C::data, &D::dedup, &X::rows>,
       .least = 1,
       .most = 64,
       .peers = "datatrove hashes_per_bucket"},
      {.address = "data.dedup.verify",
       .type = Type::fraction,
       .fallback = "0",
       .meaning = "A pair that meets in a bucket is a duplicate only if its Jaccard similarity, estimated from all "
                  "minima, is at least this; 0: always.",
       .bind = at<&C::data, &D::dedup, &X::verify>,
       .least = 0,
       .most = 1},
  };
}

}  // namespace

std::vector<Key> dedup_keys() { return joined({which_keys(), minhash_keys()}); }

}  // namespace plumb::config
