#include "trainer/evaluate/ranks.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace plumb::evaluate {

void sum_over_ranks(parallel::Communicator& ranks, std::vector<double>& values) {
  if (ranks.size() == 1 || values.empty()) return;
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.data_ptr<double>());
  tensor = tensor.to(ranks.device());
  ranks.all_reduce(tensor);
  tensor = tensor.to(at::kCPU);
  std::copy_n(tensor.const_data_ptr<double>(), values.size(), values.begin());
}

}  // namespace plumb::evaluate
