// Batches ahead of the step that needs them: a thread reads while the machine computes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "data/row_stream.h"

namespace plumb::data {

// What one rank reads in one step: consecutive rows, cut into micro-batches.
struct Slice {
  uint64_t first = 0;
  std::vector<int64_t> micro_batches;  // rows of each
};

// No barrier, no index, nothing to save: the slices follow from the step alone. Batches come in order whatever the
// thread does; an error comes out of the next() whose slice it belongs to.
class Loader {
 public:
  using Slices = std::function<Slice(int64_t step)>;
  // Steps [first_step, end_step). Holds at most `ahead` steps that were not asked for yet.
  Loader(const RowStream& rows, Slices slices, int64_t first_step, int64_t end_step, size_t ahead = 2);
  ~Loader();  // stops the thread; rows must live until then
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::vector<Batch> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
