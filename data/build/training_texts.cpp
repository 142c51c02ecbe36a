#include "data/training_texts.h"

#include <fmt/format.h>

#include <unordered_set>

#include "core/error.h"
#include "core/hash.h"
#include "data/build/set_aside.h"
#include "data/build/token_phase.h"
#include "data/source/source.h"

namespace plumb::data {

struct TrainingTexts::State {
  BuildRequest request;
  Corpus corpus;
  HeldOut held_out;
  std::vector<const State*> others = {};       // whose held-out documents are left out too
  std::unordered_set<uint64_t> left_out = {};  // content of documents that others own altogether
  std::string key = {};

  // Everything that deduplication left, in order.
  void visit(const std::function<void(Record&&)>& use) const {
    for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
      corpus.visit(chunk, [&](StoredDocument&& document, Corpus::Fate fate) {
        if (fate == Corpus::Fate::kept) use(record_of(std::move(document), request, corpus));
      });
    }
  }
  bool learns_from(Record& record) const {
    if (left_out.count(content_id("", record)) > 0) return false;
    bool cut = false;
    return held_out.belongs(record, cut) && std::all_of(others.begin(), others.end(), [&](const State* other) {
             return other->held_out.belongs(record, cut);
           });
  }
};

TrainingTexts::TrainingTexts(const BuildRequest& request, const std::filesystem::path& cache,
                             const Progress& progress) {
  auto training = request;
  training.validation = false;
  Meter meter(progress);
  auto corpus = Corpus::build(training, cache, meter);
  auto rule = held_out(training, corpus);
  state_.reset(new State{std::move(training), std::move(corpus), std::move(rule)});
  state_->key = fmt::format("{} {:.9f}", state_->corpus.key(), state_->request.validation_share);
}

TrainingTexts::~TrainingTexts() = default;

void TrainingTexts::leave_out_what_is_held_out_of(const TrainingTexts& other) {
  state_->others.push_back(other.state_.get());
  state_->key += "\nheld out of " + other.key();
}

void TrainingTexts::leave_out_documents_of(const TrainingTexts& other) {
  other.state_->visit([&](Record&& record) { state_->left_out.insert(content_id("", record)); });
  state_->key += "\nall of " + other.key();
}

std::string TrainingTexts::key() const { return core::sha256(state_->key); }

void TrainingTexts::check_any(const std::string& where) const {
  const auto& corpus = state_->corpus;
  if (corpus.survivors() > 0) return;
  ReadCounts all;
  std::string first;
  for (size_t chunk = 0; chunk < corpus.chunks().size(); ++chunk) {
    all += corpus.counts(chunk);
    if (first.empty()) corpus.malformed(chunk, [&](const auto& line) { return first = malformed_said(line), false; });
  }
  fail_input(where,
             fmt::format("no text came out of {} rows: {} malformed, {} empty, {} dropped by rules{}", all.documents,
                         all.malformed, all.empty, all.filtered + all.personal + all.contaminated,
                         first.empty() ? std::string() : "; first malformed: " + first),
             fmt::format("check {} (path, format, fields)", where));
}

void TrainingTexts::each(const std::function<void(const std::string&)>& use) const {
  state_->visit([&](Record&& record) {
    if (!state_->learns_from(record)) return;
    if (!record.text.empty()) use(record.text);
    for (const auto& message : record.messages) {
      use(message.content);
      if (!message.context.empty()) use(message.context);
    }
  });
}

}  // namespace plumb::data
