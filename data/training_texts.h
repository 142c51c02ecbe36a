// The texts that a tokenizer may be trained on: those of the training documents, as they will be tokenised - cleaned,
// without duplicates, and without what is held out for validation.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"

namespace plumb::data {

class TrainingTexts {
 public:
  // Reads the sources of the request into the cache where that has not been done. Every process of request.crew makes
  // one. Only what Dataset::build would read is looked at: sources, rules, validation_share.
  TrainingTexts(const BuildRequest& request, const std::filesystem::path& cache, const Progress& progress = {});
  ~TrainingTexts();
  // For texts that may hold the same documents as others, which must live as long: what those hold out is left out
  // here too, or all that they have.
  void leave_out_what_is_held_out_of(const TrainingTexts& other);
  void leave_out_documents_of(const TrainingTexts& other);
  std::string key() const;  // changes with the texts
  // Error(bad_input) with what became of the rows when there is nothing to train on: a wrong column is no small text.
  // `where`: the key that lists the sources.
  void check_any(const std::string& where) const;
  void each(const std::function<void(const std::string&)>& use) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
