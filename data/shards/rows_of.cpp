// Which rows hold a document: the inverse of Dataset::row.
#include "core/error.h"
#include "data/shards/reader.h"

namespace plumb::data {

namespace {

bool holds(const std::vector<Dataset::Span>& spans, int64_t document) {
  for (const auto& span : spans) {
    if (span.document == document) return true;
  }
  return false;
}

}  // namespace

std::vector<int64_t> Dataset::rows_of(int64_t document) const {
  std::vector<int64_t> found;
  for (int64_t r = 0; r < rows(); ++r) {
    if (holds(row(r), document)) found.push_back(r);
  }
  return found;
}

std::vector<int64_t> ShardDataset::rows_of(int64_t document) const {
  const auto [place, index] = find(document);
  uint64_t first = place->first_row, last = first + place->part->rows;
  if (manifest_.packing == "concat") {
    const uint64_t length = static_cast<uint64_t>(manifest_.sequence_length);
    const uint64_t begin = place->first_token + entry(*place, index).first_token;
    first = begin / length, last = (begin + tokens_of(*place, index) - 1) / length + 1;
  }
  // Elsewhere a row never leaves its part.
  std::vector<int64_t> found;
  for (uint64_t r = first; r < std::min(last, manifest_.rows); ++r) {
    if (manifest_.packing == "concat" || holds(row(static_cast<int64_t>(r)), document)) {
      found.push_back(static_cast<int64_t>(r));
    }
  }
  return found;
}

}  // namespace plumb::data
