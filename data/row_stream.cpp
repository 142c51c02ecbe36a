#include "core/error.h"
#include "data/dataset.h"
#include "data/order.h"

namespace plumb::data {

struct RowStream::State {
  DatasetPtr main, replay;
  int64_t sequence_length;
  Options options;
  Quota quota;

  // The dataset and its own row at a position of the endless sequence.
  std::pair<const Dataset*, int64_t> at(uint64_t position) const {
    const uint64_t minor = quota.minor_before(position);
    const bool is_replay = replay && quota.is_minor(position);
    const Dataset& dataset = is_replay ? *replay : *main;
    const uint64_t index = is_replay ? minor : position - minor;
    const auto rows = static_cast<uint64_t>(dataset.rows());
    const uint64_t epoch = index / rows, within = index % rows;
    if (!options.shuffle) return {&dataset, static_cast<int64_t>(within)};
    const Permutation order(rows, order_key(static_cast<uint64_t>(options.seed), epoch, dataset.digest()));
    return {&dataset, static_cast<int64_t>(order(within))};
  }

  void fill_row(uint64_t position, int64_t row, Batch& batch) const;
};

namespace {

void check(const Dataset& dataset, int64_t sequence_length) {
  if (dataset.rows() < 1) fail_input(dataset.folder(), "has no rows");
  if (dataset.sequence_length() != sequence_length) {
    fail_input(dataset.folder(),
               "was packed for sequences of " + std::to_string(dataset.sequence_length()) +
                   ", expected data.sequence_length " + std::to_string(sequence_length),
               "build it again with plumb data build, or set data.sequence_length=" +
                   std::to_string(dataset.sequence_length()));
  }
}

}  // namespace

RowStream::RowStream(DatasetPtr main, DatasetPtr replay_or_null, int64_t sequence_length, Options options)
    : state_(new State{std::move(main), std::move(replay_or_null), sequence_length, options,
                       Quota(options.replay_share)}) {
  check(*state_->main, sequence_length);
  if (state_->replay) check(*state_->replay, sequence_length);
  if (!state_->replay && options.replay_share > 0) fail_input("data.replay", "a share without sources or a dataset");
  if (state_->replay && state_->replay->tokenizer_digest() != state_->main->tokenizer_digest()) {
    fail_input(state_->replay->folder(), "was made with another tokenizer than the main data",
               "build it again with the run's tokenizer");
  }
}

RowStream::~RowStream() = default;

void RowStream::State::fill_row(uint64_t position, int64_t row, Batch& batch) const {
  const auto [dataset, source_row] = at(position);
  const int64_t begin = row * sequence_length;
  int64_t t = begin;
  std::vector<int32_t> ids;
  std::vector<float> weights;
  for (const auto& span : dataset->row(source_row)) {
    const int64_t length = span.end - span.begin;
    // One token further than the span where the document goes on: the label of its last position.
    const bool goes_on = span.end < dataset->document_tokens(span.document);
    ids.resize(static_cast<size_t>(length + goes_on)), weights.resize(ids.size());
    dataset->read(span.document, span.begin, ids, weights);
    if (t + length > begin + sequence_length) fail_input(dataset->folder(), "a row is longer than its sequence");
    for (int64_t i = 0; i < length; ++i, ++t) {
      const size_t at = static_cast<size_t>(t), from = static_cast<size_t>(i);
      batch.ids[at] = ids[from];
      batch.positions[at] = static_cast<int32_t>(i);
      if (from + 1 < ids.size() && weights[from + 1] > 0) {
        batch.labels[at] = ids[from + 1];
        batch.loss_weight[at] = weights[from + 1];
      }
    }
    batch.doc_offsets.push_back(static_cast<int32_t>(t));
    batch.sample_ids.push_back(dataset->document_id(span.document));
  }
  if (t == begin + sequence_length) return;
  for (int32_t i = 0; t < begin + sequence_length; ++i, ++t) batch.positions[static_cast<size_t>(t)] = i;
  batch.doc_offsets.push_back(static_cast<int32_t>(t));
  batch.sample_ids.push_back(~uint64_t{0});
}

Batch RowStream::batch(uint64_t first, int64_t count) const {
  const int64_t length = state_->sequence_length;
  if (count < 0 || (count > 0 && length > INT32_MAX / count)) fail_input("batch", "more positions than fit 31 bits");
  Batch batch;
  batch.rows = count, batch.sequence_length = length;
  const auto tokens = static_cast<size_t>(count * length);
  batch.ids.assign(tokens, static_cast<int32_t>(state_->options.pad_id));
  batch.labels.assign(tokens, kNoLabel);
  batch.loss_weight.assign(tokens, 0.0f);
  batch.positions.resize(tokens);
  batch.doc_offsets.push_back(0);
  for (int64_t row = 0; row < count; ++row) {
    const uint64_t position = first + static_cast<uint64_t>(row);
    batch.row_ids.push_back(position);
    batch.group_ids.push_back(static_cast<int32_t>(row));
    state_->fill_row(position, row, batch);
  }
  return batch;
}

double RowStream::rows_per_epoch() const {
  return static_cast<double>(state_->main->rows()) / (1.0 - state_->quota.share());
}

nlohmann::ordered_json RowStream::state() const {
  const auto& options = state_->options;
  return {{"seed", options.seed},
          {"shuffle", options.shuffle},
          {"sequence_length", state_->sequence_length},
          {"dataset", state_->main->digest()},
          {"replay", state_->replay ? state_->replay->digest() : ""},
          {"plan", {{{"from_row", 0}, {"replay_share", state_->quota.share()}}}}};
}

}  // namespace plumb::data
