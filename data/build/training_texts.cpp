#include "data/training_texts.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/hash.h"
#include "data/build/token_phase.h"

namespace plumb::data {

struct TrainingTexts::State {
  BuildRequest request;
  Corpus corpus;
  HeldOut held_out;
};

TrainingTexts::TrainingTexts(const BuildRequest& request, const std::filesystem::path& cache,
                             const Progress& progress) {
  auto training = request;
  training.validation = false;
  Meter meter(progress);
  auto corpus = Corpus::build(training, cache, meter);
  auto rule = held_out(training, corpus);
  state_.reset(new State{std::move(training), std::move(corpus), std::move(rule)});
}

TrainingTexts::~TrainingTexts() = default;

std::string TrainingTexts::key() const {
  return core::sha256(fmt::format("{} {:.9f}", state_->corpus.key(), state_->request.validation_share));
}

void TrainingTexts::check_any() const {
  const auto& corpus = state_->corpus;
  if (corpus.survivors() > 0) return;
  ReadCounts all;
  std::string first;
  for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
    all += corpus.counts(chunk);
    if (first.empty()) corpus.malformed(chunk, [&](const auto& line) { return first = malformed_said(line), false; });
  }
  fail_input("data.sources",
             fmt::format("no text came out of {} rows: {} malformed, {} dropped by rules{}", all.documents,
                         all.malformed, all.filtered + all.personal + all.contaminated,
                         first.empty() ? std::string() : "; first malformed: " + first),
             "check data.sources (path, format, fields)");
}

void TrainingTexts::each(const std::function<void(const std::string&)>& use) const {
  const auto& corpus = state_->corpus;
  for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
    corpus.visit(chunk, [&](StoredDocument&& document, Corpus::Fate fate) {
      if (fate != Corpus::Fate::kept) return;
      auto record = record_of(std::move(document), state_->request, corpus);
      bool cut = false;
      if (!state_->held_out.belongs(record, cut)) return;
      if (!record.text.empty()) use(record.text);
      for (const auto& message : record.messages) {
        use(message.content);
        if (!message.context.empty()) use(message.context);
      }
    });
  }
}

}  // namespace plumb::data
