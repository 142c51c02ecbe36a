#include "trainer/run/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/store/store.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/run/mix_plan.h"
#include "trainer/run/training.h"

namespace plumb::run {

namespace {

namespace fs = std::filesystem;

// The configuration of the newest start: resolved.yaml, then resolved-1.yaml, resolved-2.yaml ...
config::Loaded newest_configuration(const fs::path& run) {
  fs::path file = run / "resolved.yaml";
  if (!fs::exists(file)) fail_input(run, "is no folder of a run (no resolved.yaml in it)");
  for (int start = 1; fs::exists(run / fmt::format("resolved-{}.yaml", start)); ++start) {
    file = run / fmt::format("resolved-{}.yaml", start);
  }
  return config::load_config(file, {}, config::Purpose::eval);
}

data::DatasetPtr open_dataset(const nlohmann::ordered_json& entry, const fs::path& run) {
  const fs::path folder = entry.at("folder").get<std::string>();
  if (!data::is_remote(folder.string()) && !fs::exists(folder / "manifest.json")) {
    fail_input(folder, "the dataset that " + run.string() + " was trained on is not there",
               "plumb data build with the run's resolved.yaml makes it again from the same sources");
  }
  auto dataset = data::Dataset::open(folder);
  if (const auto digest = entry.at("digest").get<std::string>(); dataset->digest() != digest) {
    fail_input(folder, "expected the dataset " + digest + " that the run was trained on, found " + dataset->digest());
  }
  return dataset;
}

void add_row(const data::Dataset& dataset, int64_t row, int64_t times, std::map<std::string, int64_t>& tokens) {
  for (const auto& span : dataset.row(row)) {
    tokens[dataset.document_source(span.document)] += times * (span.end - span.begin);
  }
}

std::optional<uint64_t> parse_id(const std::string& name) {
  uint64_t id = 0;
  if (name.size() != 16) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id, 16);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(id) : std::nullopt;
}

}  // namespace

Lineage Lineage::open(const fs::path& given) {
  const fs::path run = fs::absolute(given).lexically_normal();
  const auto loaded = newest_configuration(run);
  use_object_cache(loaded.config);
  const auto newest = checkpoint::newest_good(run, nullptr, false);  // no weight is read here
  if (!newest) fail_input(run, "has no good checkpoint yet: nothing is known of its steps");
  const auto manifest = core::parse_json(core::read_text(run / "manifest.json"), (run / "manifest.json").string());
  if (!manifest.contains("datasets")) {
    fail_input(run / "manifest.json", "does not say where the run's datasets are",
               "it was written by an older release");
  }
  std::vector<data::Part> parts;
  data::DatasetPtr replay;
  for (const auto& entry : manifest["datasets"]) {
    auto dataset = open_dataset(entry, run);
    if (entry.value("replay", false)) {
      replay = std::move(dataset);
    } else {
      parts.push_back({std::move(dataset), entry.at("weight").get<double>(), entry.at("name").get<std::string>()});
    }
  }
  if (parts.empty()) fail_input(run / "manifest.json", "names no dataset");

  Lineage lineage;
  lineage.name_ = loaded.config.output.name;
  for (const auto& part : parts) lineage.nothing_read_.push_back({part.dataset, part.name, false, 0, {}});
  if (replay) lineage.nothing_read_.push_back({replay, "", true, 0, {}});
  lineage.tokenizer_ = parts[0].dataset->tokenizer();
  data::RowStream::Options options;
  options.seed = loaded.config.data.seed;
  options.shuffle = loaded.config.data.shuffle;
  options.plan = mix_plan(loaded.config);
  lineage.rows_ =
      std::make_unique<data::RowStream>(std::move(parts), replay, loaded.config.data.sequence_length, options);
  const auto progress = Progress::from_json(newest->values.at("progress"));
  lineage.steps_ = progress.step;
  lineage.batches_ = progress.batches;
  const auto rows = static_cast<uint64_t>(progress.tokens / loaded.config.data.sequence_length);
  const auto difference = lineage.rows_->difference(newest->values.at("loader"), rows);
  if (!difference.empty()) {
    fail_input(newest->folder, "the order of the data is not the one of " + run.string() + ":" + difference);
  }
  return lineage;
}

std::pair<uint64_t, uint64_t> Lineage::positions_of_step(int64_t step) const {
  uint64_t first = 0;
  for (size_t i = 0; i < batches_.size(); ++i) {
    const bool last = i + 1 == batches_.size() || batches_[i + 1].from_step >= step;
    const auto rows = static_cast<uint64_t>(batches_[i].rows);
    const int64_t steps = (last ? step - 1 : batches_[i + 1].from_step) - batches_[i].from_step;
    first += static_cast<uint64_t>(steps) * rows;
    if (last) return {first, rows};
  }
  fail_internal("a run without a batch size");
}

int64_t Lineage::step_of_position(uint64_t position) const {
  int64_t low = 1, high = steps_;
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (positions_of_step(middle).first <= position) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

Lineage::Piece Lineage::piece(uint64_t position, const data::Dataset::Span& span) const {
  const auto located = rows_->locate(position);
  const auto& dataset = rows_->dataset(located.part);
  return {position,
          located.epoch,
          rows_->name(located.part),
          located.row,
          span.document,
          dataset.document_id(span.document),
          dataset.document_source(span.document),
          dataset.document_where(span.document),
          span.begin,
          span.end,
          dataset.document_tokens(span.document)};
}

std::vector<Lineage::Piece> Lineage::documents_of(int64_t step) const {
  if (step < 1 || step > steps_) {
    fail_input("--step",
               fmt::format("expected a step from 1 to {}, the newest good checkpoint, found {}", steps_, step));
  }
  std::vector<Piece> pieces;
  const auto [first, count] = positions_of_step(step);
  for (uint64_t position = first; position < first + count; ++position) {
    const auto located = rows_->locate(position);
    for (const auto& span : rows_->dataset(located.part).row(located.row)) pieces.push_back(piece(position, span));
  }
  return pieces;
}

std::vector<Lineage::Reading> Lineage::steps_of(const std::string& name) const {
  const auto id = parse_id(name);
  const auto [last_first, last_count] = positions_of_step(steps_);
  bool known = false;
  std::vector<Reading> readings;
  for (size_t part = 0; part < rows_->parts(); ++part) {
    const auto& dataset = rows_->dataset(part);
    for (const int64_t document : id ? dataset.documents_with_id(*id) : dataset.documents_at(name)) {
      known = true;
      for (const int64_t row : dataset.rows_of(document)) {
        for (const uint64_t position : rows_->positions(part, row, last_first + last_count)) {
          for (const auto& span : dataset.row(row)) {
            if (span.document == document) readings.push_back({step_of_position(position), piece(position, span)});
          }
        }
      }
    }
  }
  if (!known) {
    fail_input("--doc", "no dataset of the run holds a document " + name,
               "an id of 16 hex digits or file:line, as `plumb data lineage RUN --step K` prints them");
  }
  std::sort(readings.begin(), readings.end(), [](const auto& a, const auto& b) {
    return std::pair(a.piece.position, a.piece.begin) < std::pair(b.piece.position, b.piece.begin);
  });
  return readings;
}

std::vector<Lineage::Amount> Lineage::amounts() const {
  const auto [last_first, last_count] = positions_of_step(steps_);
  auto all = nothing_read_;
  for (size_t part = 0; part < all.size(); ++part) {
    auto& amount = all[part];
    const auto rows = static_cast<uint64_t>(amount.dataset->rows());
    int64_t whole_epochs = 0;
    for (auto [place, end] : rows_->places_read(part, last_first + last_count)) {
      amount.rows += static_cast<int64_t>(end - place);
      while (place < end) {
        const uint64_t stop = std::min(end, (place / rows + 1) * rows);
        if (stop - place == rows) {
          ++whole_epochs, place = stop;
        } else {
          for (; place < stop; ++place) add_row(*amount.dataset, rows_->row_at(part, place), 1, amount.tokens);
        }
      }
    }
    for (uint64_t row = 0; whole_epochs > 0 && row < rows; ++row) {
      add_row(*amount.dataset, static_cast<int64_t>(row), whole_epochs, amount.tokens);
    }
  }
  return all;
}

const data::Dataset& Lineage::dataset(const Piece& piece) const {
  return rows_->dataset(rows_->locate(piece.position).part);
}

bool Lineage::verify(const Piece& piece) const {
  dataset(piece).verify_document(piece.document);
  const auto sample = dataset(piece).sample(piece.document);
  std::vector<int32_t> ids = sample.ids;
  if (!ids.empty() && tokenizer_->eos() && ids.back() == *tokenizer_->eos()) ids.pop_back();
  if (!ids.empty() && tokenizer_->bos() && ids.front() == *tokenizer_->bos()) ids.erase(ids.begin());
  const std::string text = tokenizer_->decode(ids);
  return core::xxh3(text, core::xxh3(piece.source)) == piece.id;
}

}  // namespace plumb::run
