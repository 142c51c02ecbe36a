// Token after token from a held model: one prompt with its answer streamed, or many side by side for evaluation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "trainer/model/inference.h"

namespace plumb::generate {

struct Options {
  int64_t max_new_tokens = 256;
  double temperature = 0;
  uint64_t seed = 42;
  std::vector<int32_t> end_ids;  // end an answer and do not belong to it
  int64_t vocabulary = 0;        // ids below it may be chosen (the tokenizer's; the model may be padded); 0: all
  uint64_t first_sequence = 0;   // number of prompts[0] among all prompts: random numbers follow it, not the batch
};

struct Answer {
  std::vector<int32_t> ids;  // without the prompt and the end id
  bool ended = false;        // false: cut off by max_new_tokens or the model's longest input
};

// Called for each chosen id that is part of an answer, in order for each sequence.
using OnToken = std::function<void(size_t sequence, int32_t id)>;

// All prompts step together; who has ended leaves the batch. A prompt that is empty or fills the model's positions is
// an Error(bad_input).
std::vector<Answer> generate(const model::HeldModel&, const std::vector<std::vector<int32_t>>& prompts, const Options&,
                             const OnToken& on_token = {});

}  // namespace plumb::generate
