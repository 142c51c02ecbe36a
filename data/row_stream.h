// The global sequence of rows that training reads.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "data/batch.h"

namespace plumb::data {

class Dataset;
using DatasetPtr = std::shared_ptr<const Dataset>;

// One source, or all unweighted ones together, with its weight in the mix.
struct Part {
  DatasetPtr dataset;
  double weight = 1;
  std::string name = {};
};

// From a row on: the mix, and rows of it that are left out. Segments are only ever appended, so that what was read
// before one stays as it was.
struct PlanSegment {
  uint64_t from_row = 0;        // the first segment's is 0, then ascending
  std::vector<double> weights;  // of the parts, in their order; need not sum to 1
  double replay_share = 0;      // of all positions
  uint64_t skip = 0;            // rows of this mix passed over before its first one
};

// A pure function of (seed, digests, plan) and the position. Its state is one number: the position.
class RowStream {
 public:
  struct Options {
    int64_t seed = 42;
    bool shuffle = true;
    int64_t pad_id = 0;
    double replay_share = 0;             // with an empty plan
    std::vector<PlanSegment> plan = {};  // empty: the parts' own weights and replay_share from row 0 on
  };
  RowStream(std::vector<Part> parts, DatasetPtr replay_or_null, int64_t sequence_length, Options);
  RowStream(DatasetPtr main, DatasetPtr replay_or_null, int64_t sequence_length, Options);
  ~RowStream();
  // Rows [first, first + count) of the endless sequence, epoch after epoch. Thread-safe, any order, any rank.
  Batch batch(uint64_t first, int64_t count) const;

  struct Located {
    size_t part;             // parts() - 1 is replay where there is replay
    const Dataset* dataset;  // of that part
    int64_t row;             // in the dataset's own order: dataset->row(row)
    uint64_t epoch;          // of that part
  };
  Located locate(uint64_t position) const;
  // The inverse: every position below `up_to` that reads this row, ascending (one an epoch of its part).
  std::vector<uint64_t> positions(size_t part, int64_t row, uint64_t up_to) const;
  // What positions below `up_to` read of a part: places [first, second) in its own endless order, epoch after epoch,
  // ascending.
  std::vector<std::pair<uint64_t, uint64_t>> places_read(size_t part, uint64_t up_to) const;
  int64_t row_at(size_t part, uint64_t place) const;  // in the dataset's own order
  size_t parts() const;                               // replay included
  const Dataset& dataset(size_t part) const;
  const std::string& name(size_t part) const;  // "replay" for replay

  // Positions until every main row was seen once; 0 where weights decide how often a part is read.
  double rows_per_epoch() const;
  // What decided the rows before position `row`: seed, digests, plan; under 1 KB. Segments that begin later do not
  // count: they may still change.
  nlohmann::ordered_json state(uint64_t row) const;
  // What differs between a state saved at `row` and this stream there, by what decided it: "seed", "shuffle",
  // "sequence_length", "data" or "plan".
  struct Difference {
    std::string what, text;
  };
  std::vector<Difference> differences(const nlohmann::ordered_json& saved, uint64_t row) const;
  // Their texts, a line each; "" when nothing differs.
  std::string difference(const nlohmann::ordered_json& saved, uint64_t row) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
