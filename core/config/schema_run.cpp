// Keys of `parallel`, `output` and `eval`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using P = ParallelSection;
using O = OutputSection;
using K = CheckpointGroup;
using X = ExportGroup;
using E = EvalSection;

const std::vector<Key>& set_keys() {
  using S = EvalSet;
  static const std::vector<Key> keys = {
      {.address = "name",
       .type = Type::text,
       .meaning = "How the set is called in tables and rules.",
       .bind = at<&S::name>,
       .required = true},
      {.address = "path",
       .type = Type::path,
       .meaning = "A file, a folder or a pattern.",
       .bind = at<&S::path>,
       .required = true,
       .must_exist = true},
      {.address = "format",
       .type = Type::word,
       .fallback = "text",
       .meaning = "What a record is.",
       .bind = at<&S::format>,
       .words = "text alpaca dolly messages prompt_completion"},
      {.address = "fields",
       .type = Type::columns,
       .fallback = "{}",
       .meaning = "Our field to the file's column.",
       .bind = at<&S::fields>},
      {.address = "metric",
       .type = Type::word,
       .meaning = "What is measured; `multiple_choice_norm` takes the likelihood of a choice per byte (acc_norm), "
                  "`multiple_choice` as it is, which prefers short ones.",
       .bind = at<&S::metric>,
       .required = true,
       .words = "perplexity bits_per_byte answer_nll multiple_choice multiple_choice_norm exact_match",
       .later = "f1 rouge_l"},
      {.address = "role",
       .type = Type::word,
       .fallback = "domain",
       .meaning = "What should rise, or what should not fall.",
       .bind = at<&S::role>,
       .words = "domain general"},
      {.address = "limit",
       .type = Type::count,
       .meaning = "At most so many records.",
       .bind = at<&S::limit>,
       .least = 1},
      {.address = "shots",
       .type = Type::integer,
       .fallback = "0",
       .meaning = "Solved examples in front of the question.",
       .bind = at<&S::shots>,
       .least = 0,
       .most = 1000},
      {.address = "during",
       .type = Type::boolean,
       .fallback = "false",
       .meaning = "Also measured at `eval.every`.",
       .bind = at<&S::during>},
  };
  return keys;
}

const std::vector<Key>& rule_keys() {
  using R = PassRule;
  static const std::vector<Key> keys = {
      {.address = "metric", .type = Type::text, .meaning = "`set.metric`.", .bind = at<&R::metric>, .required = true},
      {.address = "min", .type = Type::number, .meaning = "At least this value.", .bind = at<&R::min>},
      {.address = "min_gain",
       .type = Type::relative,
       .meaning = "Better than the base by at least this, in the metric's unit or in % of the base's value.",
       .bind = at<&R::min_gain>,
       .least = 0},
      {.address = "max_loss",
       .type = Type::relative,
       .meaning = "Worse than the base by at most this.",
       .bind = at<&R::max_loss>,
       .least = 0},
  };
  return keys;
}

template <auto list>
void* append_to(void* owner) {
  return &(static_cast<Config*>(owner)->eval.*list).emplace_back();
}

template <auto list>
std::vector<void*> every_of(void* owner) {
  std::vector<void*> all;
  for (auto& item : static_cast<Config*>(owner)->eval.*list) all.push_back(&item);
  return all;
}

std::vector<Key> checkpoint_keys() {
  return {
      {.address = "output.checkpoint.every",
       .type = Type::interval,
       .fallback = "30m",
       .meaning = "Also saved at the end and on Ctrl-C, SIGUSR1 or SIGTERM.",
       .bind = at<&C::output, &O::checkpoint, &K::every>,
       .may_be_none = true,
       .pace = true,
       .above = 0,
       .peers =
           "AX save_steps saves_per_epoch | LF save_steps | LLF save_interval | HF save_steps | MG --save-interval"},
      {.address = "output.checkpoint.keep_last",
       .type = Type::integer,
       .fallback = "2",
       .meaning = "The old one goes after the new one is committed and verified.",
       .bind = at<&C::output, &O::checkpoint, &K::keep_last>,
       .pace = true,
       .least = 1,
       .most = 1e6,
       .peers = "AX save_total_limit | LF save_total_limit | LLF save_num_checkpoints_to_keep | HF save_total_limit | "
                "TT keep_latest_k"},
      {.address = "output.checkpoint.keep_every",
       .type = Type::interval,
       .fallback = "none",
       .meaning = "Checkpoints kept for good.",
       .bind = at<&C::output, &O::checkpoint, &K::keep_every>,
       .may_be_none = true,
       .pace = true,
       .above = 0,
       .peers = "OL save_interval"},
      {.address = "output.checkpoint.keep_best",
       .type = Type::integer,
       .fallback = "0",
       .meaning = "The best so many, saved right after the evaluation.",
       .bind = at<&C::output, &O::checkpoint, &K::keep_best>,
       .pace = true,
       .least = 0,
       .most = 1000,
       .peers = "HF load_best_model_at_end"},
      {.address = "output.checkpoint.best",
       .type = Type::text,
       .fallback = "validation.loss",
       .meaning = "What is best by: `validation.loss` or `set.metric`.",
       .bind = at<&C::output, &O::checkpoint, &K::best>,
       .pace = true,
       .peers = "HF metric_for_best_model"},
  };
}

std::vector<Key> export_keys() {
  return {
      {.address = "output.export.formats",
       .type = Type::words,
       .fallback = "[]",
       .meaning = "Made at the end; `hf` is a Hugging Face folder, adapters merged.",
       .bind = at<&C::output, &O::export_, &X::formats>,
       .pace = true,
       .words = "hf",
       .later = "gguf peft",
       .peers = "TT last_save_in_hf"},
      {.address = "output.export.folder",
       .type = Type::path,
       .default_note = "`export` in output.folder",
       .meaning = "Where exports go, one folder a format.",
       .bind = at<&C::output, &O::export_, &X::folder>,
       .pace = true,
       .peers = "LF export_dir"},
      {.address = "output.export.dtype",
       .type = Type::word,
       .fallback = "bf16",
       .meaning = "Type of the exported weights.",
       .bind = at<&C::output, &O::export_, &X::dtype>,
       .pace = true,
       .words = "bf16 fp32"},
      {.address = "output.export.max_shard",
       .type = Type::bytes,
       .fallback = "5GB",
       .meaning = "Largest file of the export.",
       .bind = at<&C::output, &O::export_, &X::max_shard>,
       .pace = true,
       .least = 1e4},
      {.address = "output.export.when",
       .type = Type::word,
       .fallback = "always",
       .meaning = "`passed`: only if every rule of `eval.pass` holds.",
       .bind = at<&C::output, &O::export_, &X::when>,
       .pace = true,
       .words = "always passed"},
  };
}

std::vector<Key> mesh_keys() {
  return {
      {.address = "parallel.data",
       .type = Type::integer,
       .fallback = "1",
       .meaning = "Copies of the sharded model; data ranks = data x shard.",
       .bind = at<&C::parallel, &P::data>,
       .pace = true,
       .least = 1,
       .most = 1e6,
       .peers = "TT data_parallel_replicate_degree"},
      {.address = "parallel.shard",
       .type = Type::integer,
       .fallback = "auto",
       .meaning = "Ranks a copy is sharded over; `auto` is what is left.",
       .bind = at<&C::parallel, &P::shard>,
       .may_be_auto = true,
       .pace = true,
       .least = 1,
       .most = 1e6,
       .peers = "TT data_parallel_shard_degree"},
      {.address = "parallel.zero",
       .type = Type::integer,
       .fallback = "auto",
       .meaning = "What is sharded: 1 the optimizer, 2 gradients too, 3 weights too; `auto` is 0 on one rank, else the "
                  "lowest of 1 to 3 that fits.",
       .bind = at<&C::parallel, &P::zero>,
       .may_be_auto = true,
       .pace = true,
       .least = 0,
       .most = 3,
       .peers = "AX deepspeed fsdp fsdp_config | LF deepspeed fsdp | LLF fsdp_config.sharding_strategy fsdp_config | "
                "HF deepspeed fsdp | "
                "MG --use-distributed-optimizer"},
  };
}

std::vector<Key> machine_keys() {
  return {
      {.address = "parallel.device",
       .type = Type::word,
       .fallback = "auto",
       .meaning = "Where the model runs.",
       .bind = at<&C::parallel, &P::device>,
       .pace = true,
       .words = "auto cuda cpu",
       .peers = "TUNE device"},
      {.address = "parallel.threads",
       .type = Type::integer,
       .fallback = "auto",
       .meaning = "CPU threads of a rank.",
       .bind = at<&C::parallel, &P::threads>,
       .may_be_auto = true,
       .pace = true,
       .least = 1,
       .most = 4096},
      {.address = "parallel.memory_limit",
       .type = Type::bytes,
       .fallback = "auto",
       .meaning = "Of a rank; more estimated than allowed ends with code 3 before step 1.",
       .bind = at<&C::parallel, &P::memory_limit>,
       .may_be_auto = true,
       .pace = true,
       .least = 1},
      {.address = "parallel.communicator",
       .type = Type::word,
       .fallback = "auto",
       .meaning = "What carries tensors between ranks.",
       .bind = at<&C::parallel, &P::communicator>,
       .pace = true,
       .words = "auto nccl mpi threads one",
       .peers = "HF ddp_backend | MG --distributed-backend"},
      {.address = "parallel.timeout",
       .type = Type::duration,
       .fallback = "10m",
       .meaning = "A collective that takes longer names rank, host, step and operation.",
       .bind = at<&C::parallel, &P::timeout>,
       .pace = true,
       .above = 0,
       .peers = "HF ddp_timeout | MG --distributed-timeout-minutes"},
  };
}

std::vector<Key> folder_keys() {
  return {
      {.address = "output.folder",
       .type = Type::path,
       .default_note = "`runs/<yaml name>`",
       .meaning = "The run's folder; nothing in it is overwritten.",
       .bind = at<&C::output, &O::folder>,
       .pace = true,
       .peers = "AX output_dir | LF output_dir | TUNE output_dir | LLF save_folder | HF output_dir | MG --save"},
      {.address = "output.name",
       .type = Type::text,
       .default_note = "the folder's name",
       .meaning = "The run's name in reports.",
       .bind = at<&C::output, &O::name>,
       .pace = true,
       .peers = "LLF run_name | HF run_name"},
      {.address = "output.log_every",
       .type = Type::interval,
       .fallback = "10 steps",
       .meaning = "How often a step line is printed.",
       .bind = at<&C::output, &O::log_every>,
       .pace = true,
       .above = 0,
       .peers = "AX logging_steps | LF logging_steps | TUNE log_every_n_steps | LLF console_log_interval | HF "
                "logging_steps | MG --log-interval"},
      {.address = "output.metrics",
       .type = Type::words,
       .fallback = "[jsonl]",
       .meaning = "Where metrics go.",
       .bind = at<&C::output, &O::metrics>,
       .pace = true,
       .words = "jsonl",
       .later = "tensorboard",
       .peers = "AX use_tensorboard use_wandb | LF report_to | TUNE metric_logger | LLF loggers | HF report_to"},
      {.address = "output.progress",
       .type = Type::word,
       .fallback = "auto",
       .meaning = "A bar below the lines (auto: on a terminal), the lines alone, or neither.",
       .bind = at<&C::output, &O::progress>,
       .pace = true,
       .words = "auto bar lines none",
       .peers = "HF disable_tqdm | LLF progress_bar"},
  };
}

}  // namespace

std::vector<Key> parallel_keys() { return joined({mesh_keys(), machine_keys()}); }

std::vector<Key> output_keys() { return joined({folder_keys(), checkpoint_keys(), export_keys()}); }

std::vector<Key> eval_keys() {
  return {
      {.address = "eval.every",
       .type = Type::interval,
       .fallback = "500 steps",
       .meaning = "Validation loss during training; `none` is off.",
       .bind = at<&C::eval, &E::every>,
       .may_be_none = true,
       .pace = true,
       .above = 0,
       .peers = "AX eval_steps evals_per_epoch | LF eval_strategy eval_steps | TUNE run_val_every_n_steps | LLF "
                "eval_interval | HF eval_strategy eval_steps | "
                "MG --eval-interval"},
      {.address = "eval.tokens",
       .type = Type::count,
       .fallback = "1M",
       .meaning = "On at most so many validation tokens.",
       .bind = at<&C::eval, &E::tokens>,
       .pace = true,
       .least = 1,
       .peers = "MG --eval-iters"},
      {.address = "eval.before",
       .type = Type::boolean,
       .default_note = "true in tune",
       .meaning = "Evaluate the base before step 1, so that the table has two columns.",
       .bind = at<&C::eval, &E::before>,
       .pace = true,
       .peers = "LLF eval_first"},
      {.address = "eval.sets",
       .type = Type::items,
       .meaning = "What is measured.",
       .pace = true,
       .peers = "LLF icl_tasks",
       .item_keys = set_keys,
       .append = append_to<&E::sets>,
       .all = every_of<&E::sets>},
      {.address = "eval.generation.max_new_tokens",
       .type = Type::integer,
       .fallback = "256",
       .meaning = "Longest answer of a set that generates.",
       .bind = at<&C::eval, &E::max_new_tokens>,
       .pace = true,
       .least = 1,
       .most = 1e6,
       .peers = "HF max_new_tokens"},
      {.address = "eval.generation.temperature",
       .type = Type::number,
       .fallback = "0",
       .meaning = "0 takes the most probable token.",
       .bind = at<&C::eval, &E::temperature>,
       .pace = true,
       .least = 0,
       .most = 100},
      {.address = "eval.confidence",
       .type = Type::fraction,
       .fallback = "95%",
       .meaning = "Of the intervals, by paired bootstrap, seeded; of a share whose items all agree, Wilson's.",
       .bind = at<&C::eval, &E::confidence>,
       .pace = true,
       .above = 0,
       .below = 1},
      {.address = "eval.pass",
       .type = Type::items,
       .meaning = "Rules; one that fails ends the run with code 1.",
       .pace = true,
       .item_keys = rule_keys,
       .append = append_to<&E::pass>,
       .all = every_of<&E::pass>},
  };
}

}  // namespace plumb::config
