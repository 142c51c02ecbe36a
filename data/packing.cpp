#include "data/packing.h"

#include <algorithm>
#include <map>

namespace plumb::data {

std::vector<PackedRow> Packer::add(uint64_t document, int64_t tokens) {
  // The label of a piece's last position is the document's next token, so the last token alone is no piece.
  if (tokens <= sequence_length_) {
    pieces_.push_back({document, 0, static_cast<uint32_t>(tokens)});
  } else {
    for (int64_t begin = 0; begin + 1 < tokens; begin += sequence_length_) {
      const int64_t end = std::min(begin + sequence_length_, tokens);
      pieces_.push_back({document, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
    }
  }
  return ++documents_ % kPackingBlock == 0 ? pack() : std::vector<PackedRow>();
}

std::vector<PackedRow> Packer::finish() { return pack(); }

std::vector<PackedRow> Packer::pack() {
  std::vector<PackedRow> rows;
  if (!best_fit_) {
    for (const auto& piece : pieces_) rows.push_back({piece});
    pieces_.clear();
    return rows;
  }
  const auto length = [](const RowSpan& piece) { return static_cast<int64_t>(piece.end - piece.begin); };
  std::stable_sort(pieces_.begin(), pieces_.end(),
                   [&](const RowSpan& a, const RowSpan& b) { return length(a) > length(b); });
  std::multimap<int64_t, size_t> open;  // free positions -> row; equal keys keep the order of insertion
  for (const auto& piece : pieces_) {
    const auto fit = open.lower_bound(length(piece));
    size_t row = rows.size();
    int64_t free = sequence_length_;
    if (fit == open.end()) {
      rows.emplace_back();
    } else {
      row = fit->second, free = fit->first;
      open.erase(fit);
    }
    rows[row].push_back(piece);
    if (free > length(piece)) open.emplace(free - length(piece), row);
  }
  pieces_.clear();
  return rows;
}

}  // namespace plumb::data
