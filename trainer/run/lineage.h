// Which documents a step read, which steps read a document, and how much was read of each dataset. Nothing is written
// per step: the order is a pure function of what the checkpoint carries (seed, digests, plan), so it is computed again,
// whatever the number of ranks was. What is read on the way is verified against the dataset's digest, which the
// checkpoint names.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "trainer/run/length.h"
#include "trainer/run/material.h"

namespace plumb::run {

class Lineage {
 public:
  // A run's folder with at least one good checkpoint. Error(bad_input): no run, a dataset that is gone or another one,
  // an order that is no longer the one that was trained on.
  static Lineage open(const std::filesystem::path& run);

  int64_t steps() const { return steps_; }               // done, as of the newest good checkpoint
  const std::string& run_name() const { return name_; }  // output.name

  struct Piece {
    uint64_t position = 0;  // in the global order of sequences
    uint64_t epoch = 0;     // of its part, from 0
    std::string part;       // name of a weighted source; "replay"
    int64_t row = 0;        // in the dataset's own order
    int64_t document = 0;   // index in the dataset
    uint64_t id = 0;        // content hash
    std::string source, where;
    int64_t begin = 0, end = 0, tokens = 0;  // tokens [begin, end) of so many
  };
  // In the order of the batch. Step 1 is the first.
  std::vector<Piece> documents_of(int64_t step) const;

  struct Reading {
    int64_t step = 0;
    Piece piece;
  };
  // Every step up to steps() that read a part of it, ascending. `name`: an id (16 hex digits) or file:line as `where`
  // shows it. Empty when it was not read; Error(bad_input) when no dataset of the run holds it.
  std::vector<Reading> steps_of(const std::string& name) const;

  // What steps 1 to steps() read of a dataset. Every row of an epoch that is not over is looked up, and every row once
  // where there was a whole epoch.
  struct Amount {
    data::DatasetPtr dataset;
    std::string name;  // of a weighted source, or empty
    bool replay = false;
    int64_t rows = 0;
    std::map<std::string, int64_t> tokens;  // that had a position, by name of source
  };
  std::vector<Amount> amounts() const;  // of every dataset of the run, replay last

  // Reads the document's tokens (which verifies their blocks) and hashes them again: Error(bad_input) if they are not
  // those that were stored as this document. True: they decode to the very text whose hash is the id, which a
  // conversation, a normalised text and one cut by the tail rule do not.
  bool verify(const Piece& piece) const;

 private:
  Lineage() = default;
  std::pair<uint64_t, uint64_t> positions_of_step(int64_t step) const;  // first, count
  int64_t step_of_position(uint64_t position) const;
  Piece piece(uint64_t position, const data::Dataset::Span& span) const;
  const data::Dataset& dataset(const Piece& piece) const;

  std::string name_;
  std::vector<Amount> nothing_read_;  // the datasets
  data::TokenizerPtr tokenizer_;
  std::unique_ptr<data::RowStream> rows_;
  std::vector<BatchSize> batches_;
  int64_t steps_ = 0;
};

}  // namespace plumb::run
