#include "trainer/generate/generate.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "trainer/generate/sample.h"

namespace plumb::generate {
namespace {

// Keeps the cache rows of the sequences that go on.
void keep_rows(model::KvCache& cache, const std::vector<int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong);
  for (auto* tensors : {&cache.keys, &cache.values}) {
    for (auto& tensor : *tensors) tensor = tensor.index_select(0, index.to(tensor.device()));
  }
  std::vector<int32_t> lengths;
  for (const int64_t row : rows) lengths.push_back(cache.lengths.at(static_cast<size_t>(row)));
  cache.lengths = std::move(lengths);
  cache.batch = static_cast<int64_t>(rows.size());
}

class Run {
 public:
  Run(const model::HeldModel& model, const std::vector<std::vector<int32_t>>& prompts, const Options& options,
      const OnToken& on_token)
      : model_(model), prompts_(prompts), options_(options), on_token_(on_token), answers_(prompts.size()) {
    const auto& spec = model.spec();
    vocabulary_ = options.vocabulary > 0 ? std::min(options.vocabulary, spec.vocab_size) : spec.vocab_size;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const auto length = static_cast<int64_t>(prompts[i].size());
      if (length < 1) fail_input("prompt", "expected at least one token, found none");
      if (length >= spec.max_position_embeddings) {
        fail_input("prompt", fmt::format("expected fewer than {} tokens, the model's longest input, found {}",
                                         spec.max_position_embeddings, length));
      }
      room_.push_back(std::min(options.max_new_tokens, spec.max_position_embeddings - length));
      capacity_ = std::max(capacity_, length + room_.back());
    }
  }

  std::vector<Answer> operator()() {
    std::vector<size_t> active;
    for (size_t i = 0; i < prompts_.size(); ++i) {
      if (room_[i] > 0) active.push_back(i);
    }
    if (active.empty()) return answers_;
    auto cache = model_.make_cache(static_cast<int64_t>(active.size()), capacity_);
    std::vector<std::vector<int32_t>> next;
    for (const size_t i : active) next.push_back(prompts_[i]);
    while (!active.empty()) {
      const at::Tensor logits = model_.extend(cache, next).contiguous();
      std::vector<size_t> going;
      std::vector<int64_t> rows;
      next.clear();
      for (size_t row = 0; row < active.size(); ++row) {
        const float* values = logits.const_data_ptr<float>() + static_cast<int64_t>(row) * logits.size(1);
        const int32_t id = take(active[row], values, logits.size(1));
        if (id < 0) continue;
        going.push_back(active[row]);
        rows.push_back(static_cast<int64_t>(row));
        next.push_back({id});
      }
      if (going.size() < active.size() && !going.empty()) keep_rows(cache, rows);
      active = std::move(going);
    }
    return answers_;
  }

 private:
  // The next token of a sequence that goes on; -1 when it has ended.
  int32_t take(size_t sequence, const float* logits, int64_t size) {
    Answer& answer = answers_[sequence];
    const auto position = prompts_[sequence].size() + answer.ids.size();
    const int32_t id = choose({logits, static_cast<size_t>(std::min(vocabulary_, size))}, options_.temperature,
                              options_.seed, options_.first_sequence + sequence, position);
    if (std::find(options_.end_ids.begin(), options_.end_ids.end(), id) != options_.end_ids.end()) {
      answer.ended = true;
      return -1;
    }
    answer.ids.push_back(id);
    if (on_token_) on_token_(sequence, id);
    return static_cast<int64_t>(answer.ids.size()) < room_[sequence] ? id : -1;
  }

  const model::HeldModel& model_;
  const std::vector<std::vector<int32_t>>& prompts_;
  const Options& options_;
  const OnToken& on_token_;
  std::vector<Answer> answers_;
  std::vector<int64_t> room_;
  int64_t capacity_ = 0, vocabulary_ = 0;
};

}  // namespace

std::vector<Answer> generate(const model::HeldModel& model, const std::vector<std::vector<int32_t>>& prompts,
                             const Options& options, const OnToken& on_token) {
  return Run(model, prompts, options, on_token)();
}

}  // namespace plumb::generate
