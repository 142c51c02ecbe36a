// The three configurations that docs and tests share.
#pragma once

namespace plumb::config {

inline constexpr const char* pretrain_sample =
    R"yaml(# mpirun -n 8 plumb train configs/pretrain/llama-1b.yaml        raw text -> model, state sharded over 8 ranks
model:     {preset: llama-1b}                                  # 16 layers, 2048 wide, 32/8 heads, 8192 inside, tied: 1,040,254,976 parameters
tokenizer: {type: bpe, vocab_size: 32768}                      # trained once on the sources below
data:
  sources:
    - {path: ../../corpus/web/*.jsonl.zst, format: text, license: ODC-BY, language: en}
    - {path: ../../corpus/books, format: text, license: public-domain}
  sequence_length: 2048
  validation_share: 0.1%
train:
  tokens: 20B
  global_batch_size: 512                                       # sequences: 1,048,576 tokens a step, 19,074 steps
  micro_batch_size: 8
  learning_rate: 3e-4
  schedule: {name: cosine, warmup: 2000 steps, min_learning_rate: 10%}
parallel:  {zero: 2, timeout: 10m}
output:
  folder: ../../runs/llama-1b
  checkpoint: {every: 30m, keep_last: 2, keep_every: 5B tokens}
  export: {formats: [hf]}
)yaml";

inline constexpr const char* tune_sample =
    R"yaml(# mpirun -n 8 plumb tune configs/tune/medical.yaml              LoRA on a base, replay, before/after, promoted only if it passes
model: {base: ../../models/Llama-3-8B-Instruct}                # a local folder; tokenizer and chat template come with it
data:
  sources:
    - {name: triage, path: ../../private/triage/train.jsonl, format: messages, license: proprietary}
    - {name: questions, path: ../../private/questions.jsonl, format: prompt_completion, fields: {prompt: question, completion: answer}}
  replay: {share: 10%, sources: [{path: ../../corpus/chat/*.jsonl, format: messages, license: Apache-2.0}]}
  sequence_length: 4096
  validation_share: 2%
method:
  name: sft
  adapter: lora
  lora: {rank: 16, alpha: 32, targets: [all_linear]}
  loss_on: answers
train: {epochs: 3, global_batch_size: 64, learning_rate: 2e-4, schedule: {warmup: 3%}}
output:
  folder: ../../runs/medical
  checkpoint: {every: 10m, keep_best: 1, best: triage.exact_match}
  export: {formats: [hf], when: passed}                        # the adapter merged into the base
eval:
  every: 100 steps
  sets:
    - {name: triage, role: domain, path: ../../private/triage/test.jsonl, format: messages, metric: exact_match, during: true}
    - {name: wiki, role: general, path: ../../corpus/wiki-test.jsonl, format: text, metric: bits_per_byte}
  pass:
    - {metric: triage.exact_match, min_gain: 10}               # at least 10 points better than the base
    - {metric: wiki.bits_per_byte, max_loss: 1%}               # at most 1 % worse
)yaml";

inline constexpr const char* demo_sample =
    R"yaml(# mpirun -n 2 plumb train configs/demo/pretrain.yaml            minutes on two CPU cores
model: {family: llama, hidden_size: 128, intermediate_size: 384, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256}
tokenizer: {type: bpe, vocab_size: 2048}
data:      {sources: [{path: text/*.txt, format: text}], sequence_length: 256, validation_share: 5%}
train:     {steps: 300, global_batch_size: 16, learning_rate: 1e-3, precision: fp32, schedule: {warmup: 20 steps}}
output:    {folder: ../../runs/demo, checkpoint: {every: 100 steps}}
eval:      {every: 100 steps}
)yaml";

}  // namespace plumb::config
