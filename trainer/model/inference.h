// The model for generation: parameters held, keys and values cached. No autograd.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/model/spec.h"

namespace plumb::model {

// Keys and values of `batch` sequences of at most `capacity` tokens; one pair per block.
struct KvCache {
  int64_t batch = 0, capacity = 0;
  std::vector<at::Tensor> keys, values;  // [batch, capacity, nkv * hd] each
  std::vector<int32_t> lengths;          // tokens so far, per sequence
};

class HeldModel {
 public:
  virtual ~HeldModel() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual KvCache make_cache(int64_t batch, int64_t capacity) const = 0;
  // Appends tokens[b] (any length >= 1 each) to sequence b; returns the logits after the last token, fp32 [B, V] on
  // CPU.
  virtual at::Tensor extend(KvCache&, const std::vector<std::vector<int32_t>>& tokens) const = 0;
};

}  // namespace plumb::model
