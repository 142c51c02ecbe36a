// What a person reads and what a program reads of a run: start block, step and evaluation lines, metrics.jsonl.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/config/load.h"
#include "core/progress.h"
#include "trainer/run/choices.h"
#include "trainer/run/length.h"
#include "trainer/run/material.h"

namespace plumb::run {

// The ceiling the step line compares with, of the run's precision: measured GEMM rate of all ranks (CPU), or the GPU's
// published peak.
struct Ceiling {
  double flops_per_second = 0;  // 0 = unknown
  bool measured = true;
};

struct StepReport {
  int64_t step = 0;  // completed steps, from 1
  double loss = 0, learning_rate = 0, grad_norm = 0, trained_tokens = 0;
  int64_t tokens = 0;            // positions fed since the run began
  double seconds = 0;            // wall time since the run's first step of this start
  double tokens_per_second = 0;  // since the last report
  int64_t memory_bytes = 0;
};

// Only rank 0 owns one that prints; the others are silent.
class Reporter {
 public:
  Reporter(const config::Loaded&, const Place&, const Length&, const model::ModelSpec&, Ceiling, int64_t memory_limit,
           bool prints);
  ~Reporter();

  void start_block(const config::Loaded&, const Material&, const Choices&, const parallel::MeshShape&,
                   int64_t trained_parameters);
  void advance(int64_t step, double loss);  // every step: moves the bar on a terminal
  void end_bar() { bar_.reset(); }
  void step(const StepReport&);
  void evaluation(int64_t step, const nlohmann::ordered_json& metrics, const std::string& text);
  void note(const std::string& text);              // one line on standard error and in log.txt
  void event(const nlohmann::ordered_json& line);  // one line of metrics.jsonl
  double share_of_ceiling(double tokens_per_second, bool causal) const;

 private:
  std::string step_line(const StepReport&) const;

  const config::Loaded& loaded_;
  Place place_;
  Length length_;
  model::FlopsPerToken flops_;
  Ceiling ceiling_;
  int64_t memory_limit_;
  bool prints_;
  core::ProgressStyle style_;
  std::filesystem::path folder_;
  std::unique_ptr<core::ProgressBar> bar_;
};

Ceiling measure_ceiling(const Place&, const std::string& precision, parallel::Communicator& world);

}  // namespace plumb::run
