// What travels between stages, and what every stage may read.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace plumb::model {

// A loss that arises inside a stage (router balance, ...): weight x value / normaliser joins the total.
struct SideLoss {
  std::string name;
  at::Tensor value;  // 0-dim, on the tape of its stage
  double weight = 0;
  double normaliser = 1;  // counted over the global batch
};

// A few named tensors. The engine detaches, keeps, sends and seeds each of them.
struct Carry {
  struct Named {
    std::string name;
    at::Tensor value;
  };
  std::vector<Named> tensors;
  std::vector<SideLoss> side_losses;

  const at::Tensor& at(const std::string& name) const;  // Error(internal) when absent
};

// The arrays of a batch as tensors on the device; doc_offsets stays on the CPU.
struct TokenBatch {
  at::Tensor ids, labels, positions;  // int32 [T]
  at::Tensor doc_offsets;             // int32 [D+1]
  at::Tensor row_keys;                // int64 [T] random-number key of each position; undefined without dropout
};

}  // namespace plumb::model
