// The resolved configuration of one run: every key of stage 1, typed. Filled only by core/config/schema (defaults,
// preset or base, YAML, command line, in this order). Units are resolved: bytes, seconds, shares are plain numbers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config/clean.h"
#include "core/config/dedup.h"
#include "core/config/privacy.h"

namespace plumb::config {

// `auto` in the file is std::nullopt here, unless said otherwise.

// "500 steps", "1B tokens", "1 epoch", "10m", or `none`.
struct Interval {
  enum class Unit { none, steps, tokens, epochs, seconds } unit = Unit::none;
  double value = 0;
  bool operator==(const Interval&) const = default;
};

// A number in the thing's own unit, or a percentage of a stated base.
struct Relative {
  double value = 0;  // percent: 1 means 1 %
  bool percent = false;
  bool operator==(const Relative&) const = default;
};

// Steps, tokens or % of the length (warm-up, decay, horizon).
struct Span {
  enum class Unit { steps, tokens, percent } unit = Unit::percent;
  double value = 0;
  bool operator==(const Span&) const = default;
};

struct Source {
  std::string path;                           // absolute; file, folder or glob
  std::string format = "text";                // text alpaca dolly messages prompt_completion
  std::map<std::string, std::string> fields;  // ours -> the file's column
  std::string name;                           // default: the path's stem
  std::optional<double> weight;               // share of positions in the mix; all sources or none
  std::optional<int64_t> max_documents;
  std::string license, language;
  bool synthetic = false;
};

struct ModelSection {
  std::string preset, base, family;  // exactly one; base absolute
  std::optional<int64_t> hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads,
      head_dim, max_position_embeddings, vocab_size;
  std::optional<double> rope_theta, rms_norm_eps, initializer_range, attention_dropout, hidden_dropout;
  std::optional<bool> tie_word_embeddings;
};

// Tokens of a language or domain on top of a base's tokenizer.
struct Extend {
  int64_t tokens = 0;
  std::vector<Source> sources;
  std::string train = "all";  // all new_rows
};

struct TokenizerSection {
  std::string type = "file";  // file bytes bpe
  std::string path;           // absolute
  int64_t vocab_size = 32768;
  std::map<std::string, std::string> special_tokens;  // bos eos pad -> text
  std::vector<std::string> extra_special_tokens;      // special_tokens.extra
  std::string special_in_text = "text";               // text token
  std::string chat_template = "auto";                 // auto chatml llama3 alpaca dolly plain
  std::optional<Extend> extend;
};

struct Replay {
  double share = 0;  // of all positions, 0..1
  std::vector<Source> sources;
  std::string dataset;
};

// From here on another mix.
struct CurriculumStage {
  Span from{Span::Unit::steps, 0};
  std::map<std::string, std::string> weights;  // source -> weight as it was written; every source stands in it
  std::optional<double> replay;                // share of all positions from here on
};

struct DataSection {
  std::vector<Source> sources;
  std::string dataset, cache;
  int64_t object_cache = int64_t{64} << 30;  // bytes
  int64_t sequence_length = 2048;
  std::string packing;            // concat best_fit none; resolved from method when not given
  std::string too_long = "drop";  // drop error split
  double validation_share = 0;
  std::vector<Source> validation;
  std::optional<Replay> replay;
  std::vector<CurriculumStage> curriculum;
  CleanSection clean;
  PrivacySection privacy;
  DedupSection dedup;
  DecontaminateSection decontaminate;
  bool shuffle = true, strict = false;
  int64_t seed = 42;  // resolved: train.seed when not given
  std::optional<int64_t> threads;
};

struct LoraSection {
  int64_t rank = 16;
  double alpha = 32, dropout = 0;  // alpha resolved: 2 x rank when not given
  std::vector<std::string> targets = {"all_linear"};
};

struct MethodSection {
  std::string name;  // pretrain sft
  std::string objective = "causal";
  std::string loss_on = "answers";  // answers last_answer all
  std::string adapter = "none";     // none lora
  LoraSection lora;
};

struct ScheduleGroup {
  std::string name = "cosine";  // cosine linear constant warmup_stable_decay
  Span warmup{Span::Unit::percent, 3}, decay{Span::Unit::percent, 20};
  Relative min_learning_rate{10, true};
  std::optional<Span> length;  // horizon apart from the stop
};

struct OptimizerGroup {
  std::string name = "adamw";
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8,
         weight_decay = 0.1;  // weight_decay resolved: 0 when tuning, unless given
};

struct TrainSection {
  std::optional<int64_t> steps, tokens;
  std::optional<double> epochs;  // exactly one of the three
  int64_t global_batch_size = 0;
  std::optional<int64_t> micro_batch_size;
  double learning_rate = 0;
  ScheduleGroup schedule;
  OptimizerGroup optimizer;
  std::optional<double> clip_grad_norm = 1.0;  // nullopt = none
  std::string precision = "auto";              // auto bf16 fp32
  std::string recompute = "none";              // none selective full
  int64_t seed = 42;
  std::string resume = "auto";  // auto never required step-N
  std::vector<std::string> accept_changes;
  std::optional<double> time_limit;   // seconds
  std::string on_nonfinite = "stop";  // stop skip (rewind: later)
};

struct ParallelSection {
  int64_t data = 1;
  std::optional<int64_t> shard;                  // auto = what is left
  std::optional<int64_t> zero;                   // 0-3
  std::string device = "auto";                   // auto cuda cpu
  std::optional<int64_t> threads, memory_limit;  // memory_limit in bytes
  std::string communicator = "auto";             // auto nccl mpi threads one
  double timeout = 600;                          // seconds
};

struct CheckpointGroup {
  Interval every{Interval::Unit::seconds, 1800};
  int64_t keep_last = 2;
  Interval keep_every;  // none
  int64_t keep_best = 0;
  std::string best = "validation.loss";
};

struct ExportGroup {
  std::vector<std::string> formats;  // hf
  std::string folder;                // resolved: <output.folder>/export
  std::string dtype = "bf16";        // bf16 fp32
  int64_t max_shard = 5'000'000'000;
  std::string when = "always";  // always passed
};

struct OutputSection {
  std::string folder, name;
  Interval log_every{Interval::Unit::steps, 10};
  std::vector<std::string> metrics = {"jsonl"};
  std::string progress = "auto";  // auto bar lines none
  CheckpointGroup checkpoint;
  ExportGroup export_;  // key: output.export
};

struct EvalSet {
  std::string name, path, format = "text", metric, role = "domain";  // domain general
  std::map<std::string, std::string> fields;
  std::optional<int64_t> limit;
  int64_t shots = 0;
  bool during = false;
};

struct PassRule {
  std::string metric;  // set.metric
  std::optional<double> min;
  std::optional<Relative> min_gain, max_loss;
};

struct EvalSection {
  Interval every{Interval::Unit::steps, 500};
  int64_t tokens = 1'000'000;
  bool before = false;  // resolved: true in tune
  std::vector<EvalSet> sets;
  int64_t max_new_tokens = 256;  // eval.generation.max_new_tokens
  double temperature = 0;
  double confidence = 0.95;
  std::vector<PassRule> pass;
};

struct Config {
  ModelSection model;
  TokenizerSection tokenizer;
  DataSection data;
  MethodSection method;
  TrainSection train;
  ParallelSection parallel;
  OutputSection output;
  EvalSection eval;
};

}  // namespace plumb::config
