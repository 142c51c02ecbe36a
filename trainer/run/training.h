// The loop around steps: when to log, evaluate, save and stop. The step itself is engine/'s.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/config/load.h"
#include "data/loader.h"
#include "parallel/mesh.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/engine/engine.h"
#include "trainer/run/choices.h"
#include "trainer/run/folder.h"
#include "trainer/run/length.h"
#include "trainer/run/material.h"
#include "trainer/run/reporter.h"
#include "trainer/run/schedule.h"

namespace plumb::run {

// Everything one rank holds of one run.
struct Context {
  config::Loaded loaded;
  Place place;
  parallel::Mesh mesh;
  FolderState folder;
  Material material;
  Choices choices;
  Length length;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<Reporter> reporter;
  bool main() const { return mesh.world->rank() == 0; }
  const config::Config& config() const { return loaded.config; }
};

// What is counted through the run and stands in every checkpoint.
struct Progress {
  int64_t step = 0;    // completed
  int64_t tokens = 0;  // positions fed
  double trained_tokens = 0;
  int64_t skipped = 0;                 // steps whose update was left out (on_nonfinite: skip)
  std::map<int64_t, double> best;      // step -> value of output.checkpoint.best, for those kept
  std::vector<int64_t> kept;           // kept for good (keep_every)
  nlohmann::ordered_json base_scores;  // sets of the base, before step 1
  std::vector<BatchSize> batches;      // every batch size of the run, so that a step's sequences can be named
  nlohmann::ordered_json json() const;
  static Progress from_json(const nlohmann::ordered_json&);
};

// Sequences read so far: where the run stands in the order of the data, whatever the batch size was.
uint64_t rows_done(const Context&, const Progress&);

enum class Ending { done, stopped };

class Training {
 public:
  Training(Context& context, Progress progress);
  // Runs to the end, to a request or to the time limit. On return a checkpoint of the last step is durable.
  Ending run();
  const Progress& progress() const { return progress_; }

 private:
  // What all ranks agree on after each step (requests may reach one rank only; rank 0 owns the clock).
  struct Agreement {
    bool stop = false, save = false, evaluate = false, log = false;
  };
  Agreement agree(bool last);
  std::unique_ptr<data::Loader> make_loader() const;
  engine::StepResult one_step();
  void check_finite(const engine::StepResult&);
  void log_step(const engine::StepResult&);
  void evaluate(bool save_after);
  bool keep_if_best(const std::map<std::string, double>& metrics);
  void save();
  double seconds() const;

  Context& context_;
  Progress progress_;
  Schedule schedule_;
  std::unique_ptr<engine::Objective> objective_;
  std::unique_ptr<data::Loader> loader_;
  Cadence logging_, evaluating_, saving_, keeping_;
  std::chrono::steady_clock::time_point start_;
  double last_log_seconds_ = 0;
  int64_t last_log_tokens_ = 0, saved_step_ = -1;
};

// Loss over the held-out rows, at most eval.tokens of them; metric names "validation.loss" and "validation.perplexity".
std::map<std::string, double> validation_metrics(Context&);

}  // namespace plumb::run
