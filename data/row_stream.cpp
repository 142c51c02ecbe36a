#include "data/row_stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "data/dataset.h"
#include "data/mixture.h"
#include "data/order.h"

namespace plumb::data {

using json = nlohmann::ordered_json;

namespace {

constexpr size_t kStateBytes = 1000, kSegmentsShown = 4, kDigestShown = 16;
constexpr size_t kPartDigits = 3;  // of each part, where there are too many for their names

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

std::string short_digest(const std::string& text) { return text.substr(0, kDigestShown); }

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
std::string hash(const json& value) { return core::sha256(dump(value)); }

json shortened(const json& all) {
  std::string digests;
  for (const auto& part : all) digests += hash(part).substr(0, kPartDigits);
  return {{"parts", all.size()}, {"sha256", hash(all)}, {"digests", digests}};
}

// The parts that are not the same, as far as their few digits tell; none where there are more or fewer parts.
std::vector<size_t> unlike_parts(const json& then, const json& now) {
  std::vector<size_t> unlike;
  const auto before = then.value("digests", std::string()), after = now.value("digests", std::string());
  for (size_t i = 0; before.size() == after.size() && i < after.size(); i += kPartDigits) {
    if (before.compare(i, kPartDigits, after, i, kPartDigits) != 0) unlike.push_back(i / kPartDigits);
  }
  return unlike;
}

}  // namespace

struct RowStream::State {
  // One segment with what came before it.
  struct Stage {
    PlanSegment segment;
    Mixture mixture;
    std::vector<uint64_t> before;  // rows of each part that earlier segments used up
  };
  std::vector<Part> parts;  // replay, if any, is the last one
  bool replay = false;
  int64_t sequence_length = 0;
  Options options;
  std::vector<Stage> stages;

  const Stage& stage_at(uint64_t position) const {
    const auto later = std::upper_bound(stages.begin(), stages.end(), position,
                                        [](uint64_t at, const Stage& stage) { return at < stage.segment.from_row; });
    return *std::prev(later);
  }
  void add(const PlanSegment& segment);
  // Rows of each part read or skipped before `position`, a place in this stage or at its end.
  std::vector<uint64_t> used(const Stage& stage, uint64_t position) const;
  Permutation permutation(size_t part, uint64_t epoch) const;
  int64_t row_at(size_t part, uint64_t place) const;
  Located locate(uint64_t position) const;
  void fill_row(uint64_t position, int64_t row, Batch& batch) const;
  std::vector<size_t> used_parts(uint64_t row) const;
  json plan(uint64_t row, const std::vector<size_t>& parts) const;
};

void RowStream::State::add(const PlanSegment& segment) {
  const std::string where = "data.sources";
  const size_t main = parts.size() - replay;
  if (segment.weights.size() != main) {
    fail_input(where, fmt::format("expected a weight for each of {} parts from row {} on, found {}", main,
                                  segment.from_row, segment.weights.size()));
  }
  if (!replay && segment.replay_share > 0) fail_input("data.replay", "a share without sources or a dataset");
  if (stages.empty() ? segment.from_row != 0 : segment.from_row <= stages.back().segment.from_row) {
    fail_input("data.curriculum", fmt::format("expected stages in ascending order from row 0 on, found one from row {}",
                                              segment.from_row));
  }
  auto shares = Shares::of(segment.weights, segment.replay_share, where);
  shares.numerators.resize(parts.size());  // a replay that pauses has a share of 0
  std::vector<uint64_t> before(parts.size());
  if (!stages.empty()) before = used(stages.back(), segment.from_row);
  stages.push_back({segment, Mixture(std::move(shares)), std::move(before)});
}

std::vector<uint64_t> RowStream::State::used(const Stage& stage, uint64_t position) const {
  auto counts = stage.mixture.counts(position - stage.segment.from_row + stage.segment.skip);
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += stage.before[i];
  return counts;
}

Permutation RowStream::State::permutation(size_t part, uint64_t epoch) const {
  const Dataset& dataset = *parts[part].dataset;
  return Permutation(static_cast<uint64_t>(dataset.rows()),
                     order_key(static_cast<uint64_t>(options.seed), epoch, dataset.digest()));
}

int64_t RowStream::State::row_at(size_t part, uint64_t place) const {
  const auto rows = static_cast<uint64_t>(parts[part].dataset->rows());
  const uint64_t within = place % rows;
  return static_cast<int64_t>(options.shuffle ? permutation(part, place / rows)(within) : within);
}

RowStream::Located RowStream::State::locate(uint64_t position) const {
  const Stage& stage = stage_at(position);
  const auto place = stage.mixture.at(position - stage.segment.from_row + stage.segment.skip);
  const Dataset& dataset = *parts[place.part].dataset;
  const uint64_t index = stage.before[place.part] + place.index;
  return {place.part, &dataset, row_at(place.part, index), index / static_cast<uint64_t>(dataset.rows())};
}

RowStream::RowStream(std::vector<Part> parts, DatasetPtr replay_or_null, int64_t sequence_length, Options options)
    : state_(new State) {
  auto& state = *state_;
  if (parts.empty()) fail_input("data.sources", "found no sources");
  std::vector<double> weights;
  for (const auto& part : parts) weights.push_back(part.weight);
  state.parts = std::move(parts);
  state.replay = replay_or_null != nullptr;
  if (state.replay) state.parts.push_back({std::move(replay_or_null), 0, "replay"});
  state.sequence_length = sequence_length;
  state.options = std::move(options);
  for (const auto& part : state.parts) {
    check(*part.dataset, sequence_length);
    if (part.dataset->tokenizer_digest() == state.parts[0].dataset->tokenizer_digest()) continue;
    fail_input(part.dataset->folder(), "was made with another tokenizer than the main data",
               "build it again with the run's tokenizer");
  }
  auto plan = state.options.plan;
  if (plan.empty()) plan.push_back({0, std::move(weights), state.options.replay_share, 0});
  for (const auto& segment : plan) state.add(segment);
}

RowStream::RowStream(DatasetPtr main, DatasetPtr replay_or_null, int64_t sequence_length, Options options)
    : RowStream(std::vector<Part>{{std::move(main), 1, ""}}, std::move(replay_or_null), sequence_length,
                std::move(options)) {}

RowStream::~RowStream() = default;

size_t RowStream::parts() const { return state_->parts.size(); }
const Dataset& RowStream::dataset(size_t part) const { return *state_->parts.at(part).dataset; }
const std::string& RowStream::name(size_t part) const { return state_->parts.at(part).name; }

RowStream::Located RowStream::locate(uint64_t position) const { return state_->locate(position); }

std::vector<uint64_t> RowStream::positions(size_t part, int64_t row, uint64_t up_to) const {
  const auto rows = static_cast<uint64_t>(dataset(part).rows());
  if (row < 0 || static_cast<uint64_t>(row) >= rows) {
    fail_input(dataset(part).folder(), fmt::format("expected a row from 0 to {}, found {}", rows - 1, row));
  }
  std::vector<uint64_t> found;
  const auto& stages = state_->stages;
  for (size_t s = 0; s < stages.size() && stages[s].segment.from_row < up_to; ++s) {
    const auto& [segment, mixture, before] = stages[s];
    const bool last = s + 1 == stages.size();
    const uint64_t end = last ? up_to : std::min(up_to, stages[s + 1].segment.from_row);
    const uint64_t begin_index = before[part], end_index = state_->used(stages[s], end)[part];
    for (uint64_t epoch = begin_index / rows; epoch * rows < end_index; ++epoch) {
      const auto at = static_cast<uint64_t>(row);
      const uint64_t index =
          epoch * rows + (state_->options.shuffle ? state_->permutation(part, epoch).inverse(at) : at);
      if (index < begin_index || index >= end_index) continue;
      const uint64_t local = mixture.position(static_cast<uint32_t>(part), index - begin_index);
      if (local >= segment.skip) found.push_back(segment.from_row + local - segment.skip);
    }
  }
  return found;
}

std::vector<std::pair<uint64_t, uint64_t>> RowStream::places_read(size_t part, uint64_t up_to) const {
  std::vector<std::pair<uint64_t, uint64_t>> read;
  const auto& stages = state_->stages;
  for (size_t s = 0; s < stages.size() && stages[s].segment.from_row < up_to; ++s) {
    const auto& segment = stages[s].segment;
    const uint64_t end = s + 1 == stages.size() ? up_to : std::min(up_to, stages[s + 1].segment.from_row);
    // What a segment skips is used up, but was not read.
    const uint64_t first = state_->used(stages[s], segment.from_row)[part], last = state_->used(stages[s], end)[part];
    if (first == last) continue;
    if (!read.empty() && read.back().second == first) {
      read.back().second = last;
    } else {
      read.emplace_back(first, last);
    }
  }
  return read;
}

int64_t RowStream::row_at(size_t part, uint64_t place) const { return state_->row_at(part, place); }

void RowStream::State::fill_row(uint64_t position, int64_t row, Batch& batch) const {
  const auto located = locate(position);
  const Dataset* dataset = located.dataset;
  const int64_t begin = row * sequence_length;
  int64_t t = begin;
  std::vector<int32_t> ids;
  std::vector<float> weights;
  for (const auto& span : dataset->row(located.row)) {
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
  const auto& state = *state_;
  if (state.parts.size() - state.replay != 1 || state.stages.size() != 1) return 0;
  const auto& shares = state.stages[0].mixture.shares();
  return static_cast<double>(state.parts[0].dataset->rows()) * static_cast<double>(shares.denominator) /
         static_cast<double>(shares.numerators[0]);
}

// Those that a segment before `row` reads: a source that comes into the mix later changes nothing before.
std::vector<size_t> RowStream::State::used_parts(uint64_t row) const {
  std::vector<size_t> used;
  for (size_t part = 0; part < parts.size(); ++part) {
    const bool any = std::any_of(stages.begin(), stages.end(), [&](const Stage& stage) {
      const bool past = stage.segment.from_row == 0 || stage.segment.from_row < row;
      return past && stage.mixture.shares().numerators[part] > 0;
    });
    if (any) used.push_back(part);
  }
  return used;
}

json RowStream::State::plan(uint64_t row, const std::vector<size_t>& of_parts) const {
  json all = json::array();
  for (const auto& stage : stages) {
    const auto& segment = stage.segment;
    if (segment.from_row > 0 && segment.from_row >= row) break;
    json shares = json::array();
    for (const size_t part : of_parts) shares.push_back(stage.mixture.shares().numerators[part]);
    all.push_back({{"from_row", segment.from_row}, {"shares", std::move(shares)}, {"skip", segment.skip}});
  }
  return all;
}

json RowStream::state(uint64_t row) const {
  const auto& options = state_->options;
  json state{{"seed", options.seed}, {"shuffle", options.shuffle}, {"sequence_length", state_->sequence_length}};
  const auto parts = state_->used_parts(row);
  for (const size_t part : parts) {
    const auto digest = dataset(part).digest();
    state["data"].push_back({name(part), parts.size() > 4 ? short_digest(digest) : digest});
  }
  state["plan"] = state_->plan(row, parts);
  const auto too_large = [&] { return dump(state).size() > kStateBytes; };
  if (too_large()) {
    const json all = std::move(state["plan"]);
    state["plan"] = {{"segments", all.size()}, {"sha256", hash(all)}};
    for (size_t i = all.size() - std::min(all.size(), kSegmentsShown); i < all.size(); ++i) {
      state["plan"]["last"].push_back({{"from_row", all[i]["from_row"]}, {"sha256", short_digest(hash(all[i]))}});
    }
  }
  if (too_large()) state["data"] = shortened(state["data"]);
  return state;
}

std::vector<RowStream::Difference> RowStream::differences(const json& saved, uint64_t row) const {
  const json now = state(row);
  if (saved == now) return {};
  if (!saved.is_object()) return {{"order", "an order that this version does not know"}};
  std::vector<Difference> found;
  const auto add = [&](const std::string& what, const std::string& name, const json& then, const json& present) {
    if (then == present) return;
    found.push_back({what, fmt::format("{}: {} then, {} now", name, dump(then), dump(present))});
  };
  for (const auto& [key, value] : now.items()) {
    const json then = saved.contains(key) ? saved[key] : json();
    if (key == "data" && then.is_object() && value.is_object()) {
      const auto used = state_->used_parts(row);
      for (const size_t i : unlike_parts(then, value)) {
        found.push_back({key, fmt::format("data[{}]: another dataset of {} now", i, name(used[i]))});
      }
      if (then != value && (found.empty() || found.back().what != key)) {
        add(key, "data, number of parts", then.value("parts", json()), value["parts"]);
        add(key, "data, sha256", then.value("sha256", json()), value["sha256"]);
      }
      continue;
    }
    if (!value.is_array() || !then.is_array()) {
      add(key, key, then, value);
      continue;
    }
    for (size_t i = 0; i < std::max(value.size(), then.size()); ++i) {
      add(key, fmt::format("{}[{}]", key, i), i < then.size() ? then[i] : json(), i < value.size() ? value[i] : json());
    }
  }
  for (const auto& [key, value] : saved.items()) {
    if (!now.contains(key)) add(key, key, value, json());
  }
  return found;
}

std::string RowStream::difference(const json& saved, uint64_t row) const {
  std::string out;
  for (const auto& each : differences(saved, row)) out += "\n      " + each.text;
  return out;
}

}  // namespace plumb::data
