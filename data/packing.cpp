#include "data/packing.h"

#include <algorithm>
#include <map>
#include <optional>

namespace plumb::data {

namespace {

// A block ends when it has this many documents and fills this many rows: the last row of a block is rarely full. It
// never grows beyond what fits into memory easily.
constexpr int64_t kBlockDocuments = 4096, kBlockRows = 2048, kMostDocuments = int64_t{1} << 20;
constexpr double kGoodFill = 0.995;
constexpr double kSpares[] = {0.01, 0.02, 0.03};

int64_t length(const RowSpan& piece) { return static_cast<int64_t>(piece.end - piece.begin); }

// Pieces by length; those of one length in the order of their documents.
class Stock {
 public:
  explicit Stock(const std::vector<RowSpan>& pieces) : pieces_(pieces) {
    std::vector<uint64_t> keys;
    keys.reserve(pieces.size());
    for (size_t i = 0; i < pieces.size(); ++i) keys.push_back(static_cast<uint64_t>(length(pieces[i])) << 32 | i);
    std::sort(keys.begin(), keys.end());
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto piece_length = static_cast<int64_t>(keys[i] >> 32);
      if (lengths_.empty() || lengths_.back() != piece_length) lengths_.push_back(piece_length), next_.push_back(i);
      order_.push_back(static_cast<uint32_t>(keys[i]));
    }
    for (size_t k = 0; k < lengths_.size(); ++k) {
      end_.push_back(k + 1 < lengths_.size() ? next_[k + 1] : order_.size());
      below_.push_back(static_cast<int32_t>(k)), above_.push_back(static_cast<int32_t>(k));
    }
  }

  static constexpr int32_t kNone = -1;
  // Length numbers, ascending; only those with pieces left.
  int32_t shortest() {
    const int32_t found = root(above_, 0);
    return found < static_cast<int32_t>(lengths_.size()) ? found : kNone;
  }
  int32_t longest() { return at_or_below(static_cast<int32_t>(lengths_.size()) - 1); }
  int32_t fitting(int64_t space) {
    const auto after = std::upper_bound(lengths_.begin(), lengths_.end(), space) - lengths_.begin();
    return at_or_below(static_cast<int32_t>(after) - 1);
  }
  int32_t shorter(int32_t k) { return at_or_below(k - 1); }
  int32_t longer(int32_t k) {
    const int32_t found = root(above_, k + 1);
    return found < static_cast<int32_t>(lengths_.size()) ? found : kNone;
  }
  int64_t length_of(int32_t k) const { return lengths_[static_cast<size_t>(k)]; }
  size_t left(int32_t k) const { return end_[static_cast<size_t>(k)] - next_[static_cast<size_t>(k)]; }
  const RowSpan& take(int32_t k) {
    const auto at = static_cast<size_t>(k);
    const RowSpan& piece = pieces_[order_[next_[at]++]];
    if (next_[at] == end_[at]) below_[at] = k - 1, above_[at] = k + 1;
    return piece;
  }

 private:
  int32_t at_or_below(int32_t k) { return root(below_, k); }
  // The first number from k on, in one direction, that has pieces; paths are halved on the way.
  static int32_t root(std::vector<int32_t>& links, int32_t k) {
    const auto inside = [&](int32_t i) { return i >= 0 && i < static_cast<int32_t>(links.size()); };
    while (inside(k) && links[static_cast<size_t>(k)] != k) {
      int32_t& link = links[static_cast<size_t>(k)];
      if (inside(link)) link = links[static_cast<size_t>(link)];
      k = link;
    }
    return k;
  }

  const std::vector<RowSpan>& pieces_;
  std::vector<int64_t> lengths_;
  std::vector<size_t> next_, end_;      // of each length in order_
  std::vector<uint32_t> order_;         // pieces by length
  std::vector<int32_t> below_, above_;  // to the next length with pieces
};

struct Pair {
  int32_t longer = Stock::kNone, shorter = Stock::kNone;
  int64_t sum = -1;
};

// The two pieces that fill `space` best; among equals those nearest to each other.
Pair best_pair(Stock& stock, int64_t space) {
  Pair best;
  int32_t a = stock.fitting(space / 2), b = a;
  for (; a != Stock::kNone; a = stock.shorter(a)) {
    for (int32_t up = stock.longer(b); up != Stock::kNone && stock.length_of(a) + stock.length_of(up) <= space;
         up = stock.longer(b)) {
      b = up;
    }
    const int64_t sum = stock.length_of(a) + stock.length_of(b);
    if ((a != b || stock.left(a) > 1) && sum > best.sum) best = {b, a, sum};
    if (best.sum == space) break;
  }
  return best;
}

// The same, but among equals those farthest from each other.
Pair best_unequal_pair(Stock& stock, int64_t space) {
  Pair best;
  int32_t a = stock.shortest();
  for (int32_t b = stock.longest(); a != Stock::kNone && b >= a; a = stock.longer(a)) {
    while (b >= a && stock.length_of(a) + stock.length_of(b) > space) b = stock.shorter(b);
    if (b < a || (a == b && stock.left(a) < 2)) break;
    const int64_t sum = stock.length_of(a) + stock.length_of(b);
    if (sum > best.sum) best = {b, a, sum};
    if (best.sum == space) break;
  }
  return best;
}

// Rows that begin with the longest piece. With `spare` pieces are rationed: a row has no more of them than the average
// row has room for, less `spare`, and pairs are as unequal as they can be, so that what is left lies ever nearer to the
// average.
std::vector<PackedRow> fill_rows(const std::vector<RowSpan>& pieces, int64_t sequence_length,
                                 std::optional<double> spare = {}) {
  std::vector<PackedRow> rows;
  Stock stock(pieces);
  int64_t tokens = 0;
  size_t left = pieces.size();
  for (const auto& piece : pieces) tokens += length(piece);
  const size_t usual = pieces.size() / static_cast<size_t>(tokens / sequence_length + 1) + 2;  // pieces in a row
  rows.reserve(static_cast<size_t>(tokens / sequence_length) + 2);
  for (int32_t first = stock.longest(); first != Stock::kNone; first = stock.longest()) {
    PackedRow row;
    row.reserve(usual);
    row.push_back(stock.take(first));
    int64_t space = sequence_length - length(row[0]);
    const double room = static_cast<double>(left) * static_cast<double>(sequence_length) / static_cast<double>(tokens);
    const auto take = [&](int32_t k) { row.push_back(stock.take(k)), space -= stock.length_of(k); };
    const auto may_end_with_two = [&] { return !spare || static_cast<double>(row.size() + 2) <= room - *spare; };
    for (int32_t fit = stock.fitting(space); fit != Stock::kNone; fit = stock.fitting(space)) {
      if (stock.length_of(fit) < space && space <= 2 * stock.length_of(stock.longest()) && may_end_with_two()) {
        const Pair pair = spare ? best_unequal_pair(stock, space) : best_pair(stock, space);
        if (pair.sum > stock.length_of(fit)) {
          take(pair.longer), take(pair.shorter);
          continue;
        }
      }
      take(fit);
    }
    left -= row.size(), tokens -= sequence_length - space;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<PackedRow> best_fit_decreasing(std::vector<RowSpan> pieces, int64_t sequence_length) {
  std::vector<PackedRow> rows;
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const RowSpan& a, const RowSpan& b) { return length(a) > length(b); });
  std::multimap<int64_t, size_t> open;  // free positions -> row; equal keys keep the order of insertion
  for (const auto& piece : pieces) {
    const auto fit = open.lower_bound(length(piece));
    size_t row = rows.size();
    int64_t free = sequence_length;
    if (fit == open.end()) {
      rows.emplace_back();
    } else {
      row = fit->second, free = fit->first;
      open.erase(fit);
    }
    rows[row].push_back(piece);
    if (free > length(piece)) open.emplace(free - length(piece), row);
  }
  return rows;
}

}  // namespace

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
  ++documents_, tokens_ += tokens;
  const bool full = documents_ >= kBlockDocuments && tokens_ / sequence_length_ >= kBlockRows;
  return full || documents_ >= kMostDocuments ? pack() : std::vector<PackedRow>();
}

std::vector<PackedRow> Packer::finish() { return pack(); }

std::vector<PackedRow> Packer::pack() {
  std::vector<PackedRow> rows;
  if (best_fit_) {
    rows = fill_rows(pieces_, sequence_length_);
    const double positions = static_cast<double>(rows.size()) * static_cast<double>(sequence_length_);
    if (rows.size() > 1 && static_cast<double>(tokens_) < kGoodFill * positions) {
      const auto consider = [&](std::vector<PackedRow>&& others) {
        if (others.size() < rows.size()) rows = std::move(others);
      };
      for (const double spare : kSpares) consider(fill_rows(pieces_, sequence_length_, spare));
      consider(best_fit_decreasing(pieces_, sequence_length_));
    }
  } else {
    for (const auto& piece : pieces_) rows.push_back({piece});
  }
  pieces_.clear();
  documents_ = tokens_ = 0;
  return rows;
}

}  // namespace plumb::data
