// Keys of `method` and `train`.
#include "core/config/schema.h"

namespace plumb::config {
namespace {

using C = Config;
using T = TrainSection;
using M = MethodSection;
using L = LoraSection;
using S = ScheduleGroup;
using O = OptimizerGroup;

std::vector<Key> length_and_batch() {
  return {
      {.address = "train.steps",
       .type = Type::count,
       .meaning = "Length in optimizer updates. Exactly one of `steps`, `tokens`, `epochs`.",
       .bind = at<&C::train, &T::steps>,
       .least = 1,
       .peers = "AX max_steps | LF max_steps | TUNE max_steps_per_epoch | LLF max_duration | HF max_steps | MG "
                "--train-iters | TT training.steps"},
      {.address = "train.tokens",
       .type = Type::count,
       .meaning = "Length in positions fed to the model; becomes steps, rounded up.",
       .bind = at<&C::train, &T::tokens>,
       .least = 1,
       .peers = "MG --train-samples"},
      {.address = "train.epochs",
       .type = Type::number,
       .meaning = "Length in passes over `data.sources`, after packing; becomes steps, rounded up.",
       .bind = at<&C::train, &T::epochs>,
       .above = 0,
       .most = 1e9,
       .peers = "AX num_epochs | LF num_train_epochs | TUNE epochs | HF num_train_epochs"},
      {.address = "train.global_batch_size",
       .type = Type::integer,
       .meaning = "Sequences in a step over all ranks; it does not depend on their number.",
       .bind = at<&C::train, &T::global_batch_size>,
       .required = true,
       .least = 1,
       .most = 1e9,
       .peers = "LLF global_train_batch_size | MG --global-batch-size"},
      {.address = "train.micro_batch_size",
       .type = Type::integer,
       .fallback = "auto",
       .meaning = "Sequences per rank and forward pass; `auto` is the largest the memory estimate allows, on a CPU up "
                  "to 16,384 positions.",
       .bind = at<&C::train, &T::micro_batch_size>,
       .may_be_auto = true,
       .pace = true,
       .least = 1,
       .most = 1e6,
       .peers = "AX micro_batch_size | LF per_device_train_batch_size | TUNE batch_size | LLF "
                "device_train_microbatch_size | "
                "HF per_device_train_batch_size | MG --micro-batch-size | TT local_batch_size"},
      {.address = "train.learning_rate",
       .type = Type::number,
       .meaning = "Peak; no default, so that it always stands in the file.",
       .bind = at<&C::train, &T::learning_rate>,
       .required = true,
       .above = 0,
       .most = 1000,
       .peers =
           "AX learning_rate | LF learning_rate | TUNE optimizer.lr | LLF optimizer.lr | HF learning_rate | MG --lr"},
  };
}

std::vector<Key> schedule_keys() {
  return {
      {.address = "train.schedule.name",
       .type = Type::word,
       .fallback = "cosine",
       .meaning = "How the learning rate falls after the warm-up.",
       .bind = at<&C::train, &T::schedule, &S::name>,
       .words = "cosine linear constant warmup_stable_decay",
       .peers = "AX lr_scheduler | LF lr_scheduler_type | TUNE lr_scheduler._component_ | LLF scheduler.name | HF "
                "lr_scheduler_type | "
                "MG --lr-decay-style"},
      {.address = "train.schedule.warmup",
       .type = Type::span,
       .fallback = "3%",
       .meaning = "Steps, tokens or % of the length.",
       .bind = at<&C::train, &T::schedule, &S::warmup>,
       .least = 0,
       .peers = "AX warmup_steps warmup_ratio | LF warmup_steps warmup_ratio | TUNE num_warmup_steps | LLF "
                "scheduler.t_warmup t_warmup | "
                "HF warmup_steps warmup_ratio | MG --lr-warmup-iters"},
      {.address = "train.schedule.decay",
       .type = Type::span,
       .fallback = "20%",
       .meaning = "The last part of `warmup_stable_decay`.",
       .bind = at<&C::train, &T::schedule, &S::decay>,
       .least = 0,
       .peers = "TT decay_ratio"},
      {.address = "train.schedule.min_learning_rate",
       .type = Type::relative,
       .fallback = "10%",
       .meaning = "Where the learning rate ends; a percentage is one of `train.learning_rate`.",
       .bind = at<&C::train, &T::schedule, &S::min_learning_rate>,
       .least = 0,
       .peers = "LLF scheduler.alpha_f alpha_f | MG --min-lr"},
      {.address = "train.schedule.length",
       .type = Type::span,
       .default_note = "the run's",
       .meaning = "Horizon of the schedule, apart from the stop (5T tokens).",
       .bind = at<&C::train, &T::schedule, &S::length>,
       .above = 0,
       .peers = "MG --lr-decay-iters"},
  };
}

std::vector<Key> optimizer_keys() {
  return {
      {.address = "train.optimizer.name",
       .type = Type::word,
       .fallback = "adamw",
       .meaning = "Decoupled weight decay, none on norms and biases.",
       .bind = at<&C::train, &T::optimizer, &O::name>,
       .words = "adamw",
       .later = "sgd lion muon adamw_8bit",
       .peers =
           "AX optimizer | LF optim | TUNE optimizer._component_ | LLF optimizer.name | HF optim | MG --optimizer"},
      {.address = "train.optimizer.beta1",
       .type = Type::number,
       .fallback = "0.9",
       .meaning = "Decay of the first moment.",
       .bind = at<&C::train, &T::optimizer, &O::beta1>,
       .least = 0,
       .below = 1,
       .peers = "HF adam_beta1 | MG --adam-beta1"},
      {.address = "train.optimizer.beta2",
       .type = Type::number,
       .fallback = "0.95",
       .meaning = "Decay of the second moment.",
       .bind = at<&C::train, &T::optimizer, &O::beta2>,
       .least = 0,
       .below = 1,
       .peers = "HF adam_beta2 | MG --adam-beta2"},
      {.address = "train.optimizer.eps",
       .type = Type::number,
       .fallback = "1e-8",
       .meaning = "Added to the root of the second moment.",
       .bind = at<&C::train, &T::optimizer, &O::eps>,
       .above = 0,
       .most = 1,
       .peers = "HF adam_epsilon | MG --adam-eps"},
      {.address = "train.optimizer.weight_decay",
       .type = Type::number,
       .default_note = "0.1, or 0 when tuning",
       .meaning = "Share of a weight taken away per step and learning rate.",
       .bind = at<&C::train, &T::optimizer, &O::weight_decay>,
       .least = 0,
       .most = 1000,
       .peers = "AX weight_decay | LF weight_decay | TUNE optimizer.weight_decay | LLF optimizer.weight_decay | HF "
                "weight_decay | MG --weight-decay"},
      {.address = "train.clip_grad_norm",
       .type = Type::number,
       .fallback = "1.0",
       .meaning = "Global norm the gradient is cut to; `none` is off.",
       .bind = at<&C::train, &T::clip_grad_norm>,
       .may_be_none = true,
       .above = 0,
       .peers = "AX max_grad_norm | LF max_grad_norm | LLF algorithms.gradient_clipping gradient_clipping | HF "
                "max_grad_norm | TT max_norm | "
                "MG --clip-grad"},
  };
}

std::vector<Key> running() {
  return {
      {.address = "train.precision",
       .type = Type::word,
       .fallback = "auto",
       .meaning = "`bf16` compute with fp32 master and accumulation, or `fp32`; `auto` is fp32 on CPUs without AMX.",
       .bind = at<&C::train, &T::precision>,
       .words = "auto bf16 fp32",
       .later = "fp8",
       .peers = "AX bf16 fp16 tf32 | LF bf16 fp16 | TUNE dtype | LLF precision | HF bf16 fp16 | MG --bf16"},
      {.address = "train.recompute",
       .type = Type::word,
       .fallback = "none",
       .meaning = "Activation recomputation; it changes no bit.",
       .bind = at<&C::train, &T::recompute>,
       .pace = true,
       .words = "none selective full",
       .peers =
           "AX gradient_checkpointing | LF disable_gradient_checkpointing | TUNE enable_activation_checkpointing | "
           "LLF fsdp_config.activation_checkpointing | HF gradient_checkpointing | MG --recompute-granularity"},
      {.address = "train.seed",
       .type = Type::integer,
       .fallback = "42",
       .meaning = "Everything random follows from it.",
       .bind = at<&C::train, &T::seed>,
       .least = 0,
       .peers = "AX seed | LF seed | TUNE seed | LLF seed | HF seed | MG --seed"},
      {.address = "train.resume",
       .type = Type::word,
       .fallback = "auto",
       .meaning = "`auto` goes on with the folder's run or starts one, `never` wants a new folder, `required` an old "
                  "one, `step-N` goes back "
                  "to that step (later ones are renamed, not deleted).",
       .bind = at<&C::train, &T::resume>,
       .pace = true,
       .words = "auto never required step-N",
       .peers = "AX resume_from_checkpoint auto_resume_from_checkpoints | LF resume_from_checkpoint | TUNE "
                "resume_from_checkpoint | LLF autoresume load_path | "
                "HF resume_from_checkpoint | MG --load | TT load_step"},
      {.address = "train.accept_changes",
       .type = Type::texts,
       .fallback = "[]",
       .meaning = "Keys that may differ from the folder's run although they change the weights.",
       .bind = at<&C::train, &T::accept_changes>,
       .pace = true},
      {.address = "train.time_limit",
       .type = Type::duration,
       .meaning = "Save and end with code 75 after so long.",
       .bind = at<&C::train, &T::time_limit>,
       .pace = true,
       .above = 0,
       .peers = "MG --exit-duration-in-mins"},
      {.address = "train.on_nonfinite",
       .type = Type::word,
       .fallback = "stop",
       .meaning = "Loss or gradient not finite: `stop` with code 5, or `skip` the step.",
       .bind = at<&C::train, &T::on_nonfinite>,
       .words = "stop skip",
       .later = "rewind",
       .peers = "MG check_for_nan_in_loss_and_grad"},
  };
}

}  // namespace

std::vector<Key> method_keys() {
  return {
      {.address = "method.name",
       .type = Type::word,
       .default_note = "`pretrain` for train, `sft` for tune",
       .meaning = "With `tune`, `pretrain` is continued pretraining.",
       .bind = at<&C::method, &M::name>,
       .words = "pretrain sft",
       .later = "dpo orpo kto simpo reward grpo distill",
       .peers = "AX rl pretraining_dataset | LF stage | LLF train_loader.name"},
      {.address = "method.objective",
       .type = Type::word,
       .fallback = "causal",
       .meaning = "What is predicted: the next token.",
       .bind = at<&C::method, &M::objective>,
       .words = "causal",
       .later = "masked span prefix fill_in_middle"},
      {.address = "method.loss_on",
       .type = Type::word,
       .fallback = "answers",
       .meaning = "Which turns are trained in `sft`; the end token of a trained turn always has a loss.",
       .bind = at<&C::method, &M::loss_on>,
       .words = "answers last_answer all",
       .peers = "AX train_on_inputs roles_to_train train_on_eos | LF train_on_prompt mask_history | TUNE "
                "dataset.train_on_input | "
                "LLF target_prompts target_responses | HF assistant_only_loss completion_only_loss"},
      {.address = "method.adapter",
       .type = Type::word,
       .fallback = "none",
       .meaning = "`none` trains all weights, `lora` small matrices beside frozen ones.",
       .bind = at<&C::method, &M::adapter>,
       .words = "none lora",
       .later = "dora",
       .peers = "AX adapter | LF finetuning_type | LLF model.peft_config | HF LoraConfig"},
      {.address = "method.lora.rank",
       .type = Type::integer,
       .fallback = "16",
       .meaning = "Inner width; above 16 some serving engines need a flag.",
       .bind = at<&C::method, &M::lora, &L::rank>,
       .least = 1,
       .most = 65536,
       .peers = "AX lora_r | LF lora_rank | TUNE model.lora_rank | LLF model.peft_config.r peft_config.r | HF r"},
      {.address = "method.lora.alpha",
       .type = Type::number,
       .default_note = "2 x rank",
       .meaning = "The product is scaled by alpha / rank.",
       .bind = at<&C::method, &M::lora, &L::alpha>,
       .above = 0,
       .peers = "AX lora_alpha | LF lora_alpha | TUNE model.lora_alpha | LLF peft_config.lora_alpha | HF lora_alpha"},
      {.address = "method.lora.dropout",
       .type = Type::number,
       .fallback = "0",
       .meaning = "Dropout in front of the adapter.",
       .bind = at<&C::method, &M::lora, &L::dropout>,
       .least = 0,
       .below = 1,
       .peers = "AX lora_dropout | LF lora_dropout | TUNE model.lora_dropout | LLF peft_config.lora_dropout | HF "
                "lora_dropout"},
      {.address = "method.lora.targets",
       .type = Type::words,
       .fallback = "[all_linear]",
       .meaning = "Linear layers that get an adapter.",
       .bind = at<&C::method, &M::lora, &L::targets>,
       .words = "all_linear q_proj k_proj v_proj o_proj gate_proj up_proj down_proj",
       .peers = "AX lora_target_modules lora_target_linear | LF lora_target | TUNE model.lora_attn_modules "
                "model.apply_lora_to_mlp | "
                "LLF peft_config.target_modules | HF target_modules"},
  };
}

std::vector<Key> train_keys() { return joined({length_and_batch(), schedule_keys(), optimizer_keys(), running()}); }

}  // namespace plumb::config
