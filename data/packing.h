// Which pieces of which documents share a row. Decided per block of documents, so that it needs no second pass and
// depends on nothing but the documents' lengths.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/shards/format.h"

namespace plumb::data {

using PackedRow = std::vector<RowSpan>;

// best_fit: no document that fits into a sequence is cut, and rows are filled to the brim. none: one piece a row.
//
// Each row begins with the longest piece that is left and takes the longest that fits, until two pieces can end it:
// then the pair that fills it best, the more equal in length the better, so that the short pieces last to the end.
// Where this leaves more than 0.5 % empty (lengths near a third of a sequence: two leave much, three seldom fit), the
// pieces are rationed, so that two and three of them alternate as their average asks for; best-fit decreasing (Ding et
// al., arXiv 2404.10830) is tried too, and the best one is taken.
class Packer {
 public:
  Packer(bool best_fit, int64_t sequence_length) : best_fit_(best_fit), sequence_length_(sequence_length) {}
  // Pieces of at most a sequence; a document not longer than that is one piece. Gives the rows that are complete.
  std::vector<PackedRow> add(uint64_t document, int64_t tokens);
  std::vector<PackedRow> finish();

 private:
  std::vector<PackedRow> pack();
  bool best_fit_;
  int64_t sequence_length_;
  int64_t documents_ = 0, tokens_ = 0;  // of the block
  std::vector<RowSpan> pieces_;
};

// Rows of `concat`: the stream of all tokens cut every sequence_length. The very last token never has a label, so that
// it needs no position.
inline int64_t concat_rows(uint64_t tokens, int64_t sequence_length) {
  if (tokens < 2) return 0;
  const uint64_t length = static_cast<uint64_t>(sequence_length);
  return static_cast<int64_t>((tokens - 2) / length + 1);
}

}  // namespace plumb::data
