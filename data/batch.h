// The Batch contract: what the data path hands to the engine. Plain arrays, no ATen.
// Nobody derives a position, a document or a row number from an index: it stands here.
#pragma once

#include <cstdint>
#include <vector>

namespace plumb::data {

inline constexpr int32_t kNoLabel = -1;  // label of a position without a loss

// `rows` packed sequences of `sequence_length` positions, flattened row-major to T = rows * sequence_length.
struct Batch {
  int64_t rows = 0;
  int64_t sequence_length = 0;

  std::vector<int32_t> ids;          // [T] token ids; padding carries the pad id (or 0) and weight 0
  std::vector<int32_t> labels;       // [T] already shifted: labels[t] is what position t must predict, kNoLabel = none
  std::vector<float> loss_weight;    // [T] 0 where no loss; 1 for a trained token unless a method says otherwise
  std::vector<int32_t> positions;    // [T] position inside its document (RoPE), restarts at 0 at each document
  std::vector<int32_t> doc_offsets;  // [D+1] strictly increasing, first 0, last T; attention never crosses one.
                                     // Every row start is an offset; padding at a row's end is a document of its own.
  std::vector<uint64_t> row_ids;     // [rows] global row number in the order (random-number key, lineage)
  std::vector<uint64_t> sample_ids;  // [D] document or sample id of each segment; ~0 for padding
  std::vector<int32_t> group_ids;    // [rows] rows of one group (preference pair, answers) share an id; never split

  int64_t tokens() const { return rows * sequence_length; }
};

}  // namespace plumb::data
