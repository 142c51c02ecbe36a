// Every mistake a configuration can make, with its exact message; and YAML from someone who means harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "core/config/load.h"
#include "core/error.h"
#include "tests/core/samples.h"

namespace plumb::config {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string listing(const std::string& yaml, Purpose purpose = Purpose::train,
                    const std::vector<std::string>& overrides = {}) {
  try {
    load_config_text(yaml, "a.yaml", "/project", overrides, purpose);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    return error.what();
  }
  return "no error";
}

// A configuration without mistakes, one key a line, to which one mistake is added.
const std::string model = "model: {preset: smollm-135m}\ntokenizer: {type: bytes}\n";
const std::string data = "data: {sources: [{path: x}]}\n";
const std::string train = "train: {steps: 10, global_batch_size: 8, learning_rate: 1e-3}\n";
const std::string good = model + data + train;
const std::string base =
    "model: {base: b}\n" + data + "train: {steps: 10, global_batch_size: 8, learning_rate: 1e-3}\n";

// The listing of one mistake without place and excerpt: "message | hint".
std::string one(const std::string& yaml, Purpose purpose = Purpose::train,
                const std::vector<std::string>& overrides = {}) {
  const std::string text = listing(yaml, purpose, overrides);
  if (!text.ends_with("\n1 error, nothing was started")) return text;
  const size_t start = text.find("error: ") + 7;
  const std::string message = text.substr(start, text.find('\n', start) - start);
  const size_t hint = text.find("\n      hint: ");
  return hint == std::string::npos ? message : message + " | " + text.substr(hint + 13, text.rfind('\n') - hint - 13);
}

std::string with(const std::string& line) { return one(good + line + "\n"); }
std::string train_with(const std::string& keys) {
  return one(model + data + "train: {steps: 10, global_batch_size: 8, learning_rate: 1e-3, " + keys + "}\n");
}

TEST(Mistakes, MixesAndCurricula) {
  const auto mixed = [](const std::string& keys, const std::string& length = "steps: 10") {
    return one(model + "data: {sources: [{path: a, weight: 1}, {path: b, weight: 3}]" + keys + "}\n" + "train: {" +
               length + ", global_batch_size: 8, learning_rate: 1e-3}\n");
  };
  EXPECT_EQ(mixed(""), "no error");
  EXPECT_EQ(mixed(", curriculum: [{from: 50%, weights: {a: 1, b: 0.5}}, {from: 8 steps, weights: {a: 0, b: 1}}]"),
            "no error");
  EXPECT_EQ(
      mixed("", "epochs: 2"),
      "train.epochs has no meaning beside data.sources[].weight | weighted sources come round at different speeds; "
      "give train.steps or train.tokens");
  EXPECT_EQ(one(model + "data: {sources: [{path: a, weight: 1}, {path: b}]}\n" + train),
            "missing key data.sources[1].weight | all sources have a weight, or none has one");
  EXPECT_EQ(one(model + "data: {sources: [{path: a, weight: 1}, {path: x/a, weight: 1}]}\n" + train),
            "two sources are named a | give each a name of its own");
  EXPECT_EQ(one(model + "data: {sources: [{path: a, weight: 0}, {path: b, weight: 0}]}\n" + train),
            "expected at least one weight above 0, found none");
  EXPECT_THAT(one(model + "data: {sources: [{path: a, weight: -1}]}\n" + train),
              HasSubstr("expected a number between 0 and"));
  EXPECT_EQ(
      one(model + "data: {sources: [{path: a}], curriculum: [{from: 5 steps, weights: {a: 1}}]}\n" + train),
      "data.curriculum needs weighted sources | give every source of data.sources its weight at the start, 0 for none");
  EXPECT_EQ(one(model + "data: {sources: [{path: a}], validation: [{path: v, weight: 1}]}\n" + train),
            "data.validation[0].weight has no effect | only data.sources are mixed by weight; remove it");
  EXPECT_EQ(mixed(", curriculum: [{weights: {a: 1, b: 1}}]"),
            "missing key data.curriculum[0].from | When the mix changes: steps, tokens or % of the length.");
  EXPECT_EQ(mixed(", curriculum: [{from: 5 steps, weights: {a: 1, c: 1, b: 0}}]"),
            "unknown source c | did you mean a?");
  EXPECT_EQ(mixed(", curriculum: [{from: 5 steps, weights: {a: 1}}]"),
            "missing weight of b | every source stands in a stage; 0 leaves it out");
  EXPECT_EQ(mixed(", curriculum: [{from: 5 steps, weights: {a: 1, b: much}}]"),
            "expected a number of at least 0 for b, found \"much\"");
  EXPECT_EQ(mixed(", curriculum: [{from: 5 steps, weights: {a: 0, b: 0}}]"),
            "expected at least one weight above 0, found none");
  EXPECT_EQ(mixed(", curriculum: [{from: 100%, weights: {a: 1, b: 1}}]"),
            "expected less than 100% of the length, found 100%");
  EXPECT_EQ(mixed(", curriculum: [{from: 5 steps, weights: {a: 1, b: 1}, replay: 5%}]"),
            "data.curriculum[0].replay needs data.replay | give the general data");
  EXPECT_EQ(one(model + "data: {sources: [{path: a, weight: 1}]}\n" + train + "eval: {every: 1 epoch}\n"),
            "eval.every has no epochs beside data.sources[].weight | write steps or tokens");
}

TEST(Mistakes, TheListingOfThePage) {
  // The sample of the specification's section 4, at the same lines.
  const std::string yaml =
      "model: {base: b}\ndata:\n  sources:\n    - {path: x, format: messages}\n  sequence_length: 4096\n\n\n\n\n"
      "# the method\n\nmethod:\n  adapter: lora\n  lora_r: 16\ntrain:\n  epochs: 3\n  tokens: 1B\n"
      "  global_batch_size: 64\n  learning_rate: 2e-4\n";
  try {
    load_config_text(yaml, "medical.yaml", "/project", {}, Purpose::tune);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "medical.yaml:14:3: error: unknown key method.lora_r\n"
                 "   14 |   lora_r: 16\n"
                 "      |   ^^^^^^\n"
                 "      hint: axolotl's lora_r is method.lora.rank here\n"
                 "medical.yaml:17:3: error: expected one length, found train.tokens and train.epochs (line 16)\n"
                 "   17 |   tokens: 1B\n"
                 "      |   ^^^^^^\n"
                 "      hint: remove one of them\n"
                 "2 errors, nothing was started");
  }
}

TEST(Mistakes, UnknownKeys) {
  EXPECT_EQ(listing(good + "trian: {steps: 3}\n"),
            "a.yaml:5:1: error: unknown key trian\n    5 | trian: {steps: 3}\n      | ^^^^^\n      hint: did you mean "
            "train?\n"
            "1 error, nothing was started");
  EXPECT_EQ(train_with("stepz: 1"), "unknown key train.stepz | did you mean train.steps?");
  EXPECT_EQ(train_with("zero: 1"), "unknown key train.zero | did you mean parallel.zero?");
  EXPECT_EQ(with("base_model: x"), "unknown key base_model | axolotl's base_model is model.base here");
  EXPECT_EQ(with("cutoff_len: 3"), "unknown key cutoff_len | LLaMA-Factory's cutoff_len is data.sequence_length here");
  EXPECT_EQ(with("max_seq_len: 3"), "unknown key max_seq_len | llm-foundry's max_seq_len is data.sequence_length here");
  EXPECT_EQ(with("checkpointer: {checkpoint_dir: x}"),
            "unknown key checkpointer | torchtune's checkpointer.checkpoint_dir is model.base here");
  EXPECT_EQ(with("hidden-size: 3"), "unknown key hidden-size | Megatron's --hidden-size is model.hidden_size here");
  EXPECT_EQ(with("ffn_hidden_size: 3"),
            "unknown key ffn_hidden_size | Megatron's --ffn-hidden-size is model.intermediate_size here");
  EXPECT_EQ(
      with("gradient_accumulation_steps: 4"),
      "unknown key gradient_accumulation_steps | accumulation is solved, never given: set train.global_batch_size "
      "(sequences of a step over all ranks)");
  EXPECT_EQ(with("parallel: {tensor: 2}"),
            "unknown key parallel.tensor | parallel.tensor is planned, not in this release");
  EXPECT_EQ(one(model + "data: {sources: [{path: x, fromat: text}]}\n" + train),
            "unknown key data.sources[0].fromat | did you mean format?");
}

TEST(Mistakes, DuplicateEmptyAndMisplaced) {
  EXPECT_EQ(train_with("steps: 3"), "key train.steps stands twice (first on line 4) | remove one of them");
  EXPECT_EQ(with("data: {}"), "key data stands twice (first on line 3) | remove one of them");
  EXPECT_EQ(one(model + data + "train:\n  steps: 3\n  global_batch_size: 3\n  learning_rate: 1\n  seed:\n"),
            "expected an int of at least 0, found nothing | remove the key to take its default 42");
  EXPECT_EQ(with("eval:"),
            "expected a map of the keys of eval, found nothing | remove the key, or give it keys of its own");
  EXPECT_EQ(with("eval: 3"), "expected a map of the keys of eval, found \"3\"");
  EXPECT_EQ(train_with("schedule: linear"),
            "expected a map of the keys of train.schedule, found \"linear\" | write schedule: {name: linear}");
  EXPECT_EQ(one(model + "data: {sources: {path: x}}\n" + train),
            "expected a list of maps, found a map | write a list: sources: [{...}]");
  EXPECT_EQ(one(model + "data: {sources: [x]}\n" + train),
            "expected a map in data.sources, found \"x\" | write {path: x}");
  EXPECT_EQ(
      one(model + "data: {sources: [{format: text}]}\n" + train),
      "missing key data.sources[0].path | A file, a folder or a pattern with `*`, local or `s3://`; the extension "
      "gives the container (txt md html jsonl json csv tsv, also .gz .zst; parquet pdf).");
  EXPECT_EQ(one("[1, 2]\n"),
            "expected a map with the sections model tokenizer data method train parallel output eval, found a list");
}

TEST(Mistakes, WrongTypes) {
  EXPECT_EQ(train_with("seed: eight"), "expected an int of at least 0, found \"eight\"");
  EXPECT_EQ(train_with("seed: \"8\""), "expected an int of at least 0, found the text \"8\" | write 8 without quotes");
  EXPECT_EQ(train_with("seed: 017"),
            "expected an int of at least 0, found \"017\" | numbers are decimal, without leading zeros; write 17");
  EXPECT_EQ(train_with("seed: [1]"), "expected an int of at least 0, found a list");
  EXPECT_EQ(train_with("seed: -1"), "expected an int of at least 0, found \"-1\"");
  EXPECT_EQ(train_with("micro_batch_size: 0"), "expected an int between 1 and 1000000, or auto, found \"0\"");
  EXPECT_EQ(train_with("clip_grad_norm: .nan"),
            "expected a number above 0, or none, found \".nan\" | it must be finite");
  EXPECT_EQ(train_with("clip_grad_norm: 1e400"),
            "expected a number above 0, or none, found \"1e400\" | it is outside the range of a 64-bit floating-point "
            "number");
  EXPECT_EQ(
      train_with("time_limit: 30"),
      "expected a duration with a unit (30s, 10m, 1h30m) above 0, found \"30\" | give the unit, such as 30s or 30m");
  EXPECT_EQ(train_with("precision: bf15"), "expected one of auto, bf16, fp32, found \"bf15\" | did you mean bf16?");
  EXPECT_EQ(train_with("precision: fp8"),
            "expected one of auto, bf16, fp32, found \"fp8\" | fp8 is planned, not in this release");
  EXPECT_EQ(train_with("resume: step-x"),
            "expected one of auto, never, required, step-N, found \"step-x\" | did you mean step-N?");
  EXPECT_EQ(train_with("schedule: {warmup: 3}"),
            "expected steps, tokens or a percentage (2000 steps, 1B tokens, 3%) of at least 0, found \"3\" | give the "
            "unit, such as 3 steps");
  EXPECT_EQ(train_with("schedule: {min_learning_rate: x}"),
            "expected a number or a percentage of at least 0, found \"x\"");
  EXPECT_EQ(train_with("accept_changes: train.seed"),
            "expected a list of texts, found \"train.seed\" | write [train.seed]");
  EXPECT_EQ(with("output: {log_every: 10}"),
            "expected an interval with a unit (500 steps, 1B tokens, 1 epoch, 10m) above 0, found \"10\" | give the "
            "unit, such as 10 steps");
  EXPECT_EQ(with("output: {export: {formats: [onnx]}}"), "expected a list of hf, found \"onnx\"");
  EXPECT_EQ(with("output: {export: {formats: [gguf]}}"),
            "expected a list of hf, found \"gguf\" | gguf is planned, not in this release");
  EXPECT_EQ(with("output: {export: {formats: [hf, hf]}}"), "expected each value once, found \"hf\" twice");
  EXPECT_EQ(
      with("parallel: {memory_limit: 16}"),
      "expected bytes with a unit (16GiB, 80GB) of at least 1, or auto, found \"16\" | give the unit, such as 16GiB");
  EXPECT_EQ(with("parallel: {zero: 4}"), "expected an int between 0 and 3, or auto, found \"4\"");
  EXPECT_EQ(with("eval: {tokens: 1.5}"),
            "expected a count (500M, 2B, 1e9) of at least 1, found \"1.5\" | it does not come out as a whole number "
            "below 9.2e18");
  EXPECT_EQ(with("eval: {before: yes}"), "expected true or false, found \"yes\" | write true");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], shuffle: no}\n" + train),
            "expected true or false, found \"no\" | write false");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], validation_share: 3}\n" + train),
            "expected a fraction (3% or 0.03) of at least 0 and below 1, found \"3\" | write 3%");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], validation_share: 300}\n" + train),
            "expected a fraction (3% or 0.03) of at least 0 and below 1, found \"300\"");
  EXPECT_EQ(
      one(model + "data: {sources: [{path: x, fields: {txt: body}}]}\n" + train),
      "data.sources[0].fields names txt, which format text does not read | it is {OURS: COLUMN}, ours being text, "
      "id, url");
  EXPECT_EQ(one(model + "data: {sources: [{path: x, fields: [a]}]}\n" + train),
            "expected a map from text to text, found a list");
  EXPECT_EQ(one("model: {family: mistral, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1, "
                "num_attention_heads: 2}\n"
                "tokenizer: {type: bytes}\n" +
                data + train),
            "expected llama, found \"mistral\" | mistral is planned, not in this release");
}

TEST(Mistakes, ACommaForADecimalPoint) {
  EXPECT_THAT(listing(model + data + "train: {steps: 10, global_batch_size: 8, learning_rate: 0,001}\n"),
              HasSubstr("      hint: a comma begins the next key; the decimal mark is a point\n"));
}

TEST(Mistakes, Paths) {
  EXPECT_EQ(with("output: {folder: $HOME/x}"),
            "expected a path without variables, found \"$HOME/x\" | nothing is expanded in a file; write "
            "output.folder=$HOME/x on "
            "the command line, where the shell does it");
  EXPECT_EQ(with("output: {folder: ~bob/x}"),
            "expected a path, found \"~bob/x\" | only ~/ is known, the home folder of this user");
  EXPECT_EQ(with("output: {folder: s3://b/x}"),
            "expected a local path, found \"s3://b/x\" | objects of a store are read as sources, datasets and "
            "evaluation sets only");
  EXPECT_EQ(
      one(model + "data: {sources: [{path: https://h/x}]}\n" + train),
      "expected a local path, found \"https://h/x\" | nothing is downloaded; fetch it first and give the local path");
}

TEST(Mistakes, Model) {
  EXPECT_EQ(one("model: {}\ntokenizer: {type: bytes}\n" + data + train),
            "missing key model.preset, model.base or model.family | give exactly one of them");
  EXPECT_EQ(one("model: {preset: llama-1x}\ntokenizer: {type: bytes}\n" + data + train),
            "unknown preset \"llama-1x\" | did you mean llama-1b?");
  EXPECT_EQ(one(base),
            "model.base is for plumb tune; plumb train starts from random weights | run plumb tune, or give "
            "model.preset or model.family");
  EXPECT_EQ(one(good, Purpose::tune), "missing key model.base | plumb tune specialises a base: give the path of one");
  EXPECT_EQ(one("model: {base: b, hidden_size: 64}\n" + data + train, Purpose::tune),
            "model.hidden_size cannot stand beside model.base | remove it: the shape is the base's");
  EXPECT_EQ(one("model:\n  preset: smollm-135m\n  base: b\n" + data + train, Purpose::tune),
            "expected one of model.preset, model.base, model.family, found model.preset (line 2) and model.base | "
            "remove one of them");
  EXPECT_THAT(listing("model: {family: llama, hidden_size: 64}\ntokenizer: {type: bytes}\n" + data + train),
              HasSubstr("error: missing key model.intermediate_size"));
  const auto shape = [](const std::string& keys) {
    return one("model: {family: llama, intermediate_size: 64, num_hidden_layers: 1, " + keys +
               "}\ntokenizer: {type: bytes}\n" + data + train);
  };
  EXPECT_EQ(shape("hidden_size: 64, num_attention_heads: 4, num_key_value_heads: 3"),
            "expected model.num_key_value_heads to divide model.num_attention_heads 4, found 3");
  EXPECT_EQ(
      shape("hidden_size: 66, num_attention_heads: 4"),
      "expected model.hidden_size to be a multiple of model.num_attention_heads 4, found 66 | or give model.head_dim");
  EXPECT_EQ(shape("hidden_size: 60, num_attention_heads: 4"),
            "expected an even head_dim (rotary positions turn pairs), found 15");
  EXPECT_EQ(shape("hidden_size: 64, num_attention_heads: 4, max_position_embeddings: 100"),
            "expected data.sequence_length of at most model.max_position_embeddings 100, found 2048 | shorten the "
            "sequence, or give "
            "model.max_position_embeddings");
}

TEST(Mistakes, TokenizerAndData) {
  const std::string preset = "model: {preset: smollm-135m}\n";
  EXPECT_EQ(one(preset + data + train),
            "missing key tokenizer.path | give a tokenizer.json, or write tokenizer.type: bpe to train one or "
            "tokenizer.type: bytes");
  EXPECT_EQ(one(base + "tokenizer: {type: bpe}\n", Purpose::tune),
            "tokenizer.type bpe cannot stand beside model.base | a base comes with its tokenizer; remove it");
  EXPECT_EQ(
      one("model: {preset: smollm-135m, vocab_size: 300}\ntokenizer: {type: bpe, vocab_size: 400}\n" + data + train),
      "expected model.vocab_size of at least tokenizer.vocab_size 400, found 300 | remove it to take the tokenizer's");
  EXPECT_EQ(
      one(preset + "tokenizer: {type: bytes, vocab_size: 400}\n" + data + train),
      "tokenizer.vocab_size has an effect only with tokenizer.type bpe | remove it, or write tokenizer.type: bpe");
  EXPECT_EQ(one(model + train), "missing key data.sources or data.dataset | give the documents to train on");
  EXPECT_EQ(one(model + "data: {sources: []}\n" + train), "expected at least one source, found []");
  EXPECT_EQ(
      one(model + "data: {sources: [{path: x}], dataset: y}\n" + train),
      "expected one of data.sources, data.dataset, found data.sources (line 3) and data.dataset | remove one of them");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], validation_share: 1%, validation: [{path: y}]}\n" + train),
            "expected one of data.validation_share, data.validation, found data.validation_share (line 3) and "
            "data.validation | remove "
            "one of them");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], replay: {sources: [{path: y}]}}\n" + train),
            "missing key data.replay.share | how much of all positions is general data, such as 10%");
  EXPECT_EQ(one(model + "data: {sources: [{path: x}], replay: {share: 10%}}\n" + train),
            "missing key data.replay.sources or data.replay.dataset | give the general data");
  EXPECT_EQ(one("data: {sources: [{path: x}]}\n", Purpose::tokenizer),
            "expected tokenizer.type bpe, found file | bpe is trained on data.sources, tokenizer.extend grows a "
            "finished one");
}

TEST(Mistakes, MethodAndTrain) {
  EXPECT_EQ(with("method: {name: sft}"),
            "method.name sft needs a base | plumb train starts from random weights; use plumb tune with model.base");
  EXPECT_EQ(with("method: {name: dpo}"),
            "expected one of pretrain, sft, found \"dpo\" | dpo is planned, not in this release");
  EXPECT_EQ(
      with("method: {adapter: lora}"),
      "method.adapter lora needs a base | an adapter is trained beside frozen weights; use plumb tune with model.base");
  EXPECT_EQ(one(base + "method: {lora: {rank: 8}}\n", Purpose::tune),
            "method.lora.rank has no effect with method.adapter none | write method.adapter: lora, or remove it");
  EXPECT_EQ(one(base + "method: {adapter: lora, lora: {targets: [q_prj]}}\n", Purpose::tune),
            "expected a list of all_linear, q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, found "
            "\"q_prj\" | did you mean q_proj?");
  EXPECT_EQ(one(base + "method: {adapter: lora, lora: {targets: [all_linear, q_proj]}}\n", Purpose::tune),
            "all_linear names every target already | remove the others, or remove all_linear");
  EXPECT_EQ(one(model + data + "train: {global_batch_size: 8, learning_rate: 1e-3}\n"),
            "missing key train.steps, train.tokens or train.epochs | give exactly one of them");
  EXPECT_EQ(
      one(model + data + "train: {steps: 1, learning_rate: 1e-3}\n"),
      "missing key train.global_batch_size | Sequences in a step over all ranks; it does not depend on their number.");
  EXPECT_EQ(train_with("micro_batch_size: 9"),
            "expected train.micro_batch_size of at most train.global_batch_size 8, found 9");
  EXPECT_EQ(train_with("schedule: {decay: 3%}"),
            "train.schedule.decay has an effect only with train.schedule.name warmup_stable_decay | remove it, or "
            "change the schedule");
  EXPECT_EQ(train_with("schedule: {min_learning_rate: 1}"), "expected at most train.learning_rate 0.001, found 1");
  EXPECT_EQ(train_with("schedule: {warmup: 101%}"), "expected at most 100% of the length, found 101%");
  EXPECT_EQ(train_with("accept_changes: [train.sed]"), "unknown key train.sed | did you mean train.seed?");
}

TEST(Mistakes, OutputAndEval) {
  const std::string set = "{name: a, path: x, metric: perplexity}";
  EXPECT_EQ(with("output: {checkpoint: {keep_best: 1}}"),
            "validation.loss needs held-out documents | give data.validation_share or data.validation");
  EXPECT_EQ(with("output: {checkpoint: {keep_best: 1, best: b.perplexity}}\neval: {sets: [" + set + "]}"),
            "unknown metric b.perplexity | known here: validation.loss, a.perplexity");
  EXPECT_EQ(with("output: {checkpoint: {keep_best: 1, best: a.perplexity}}\neval: {sets: [" + set + "]}"),
            "a.perplexity is not measured during training | write during: true in the set a");
  EXPECT_EQ(
      with("output: {checkpoint: {best: a.perplexity}}\neval: {sets: [" + set + "]}"),
      "output.checkpoint.best has no effect with output.checkpoint.keep_best 0 | write keep_best: 1, or remove it");
  EXPECT_EQ(with("output: {export: {formats: [hf], when: passed}}"),
            "output.export.when passed needs rules in eval.pass | add rules, or write when: always");
  EXPECT_EQ(with("eval: {sets: [" + set + ", " + set + "]}"), "two sets are named a | names must differ");
  EXPECT_EQ(with("eval: {sets: [" + set + "], pass: [{metric: a.perplexity}]}"),
            "expected one of min, min_gain, max_loss in eval.pass[0], found none");
  EXPECT_EQ(with("eval: {sets: [" + set + "], pass: [{metric: a.exact_match, min: 1}]}"),
            "unknown metric a.exact_match | known here: validation.loss, a.perplexity");
  EXPECT_THAT(with("eval: {sets: [{name: a, path: x}]}"), HasSubstr("missing key eval.sets[0].metric | What"));
}

TEST(Mistakes, CommandLine) {
  const auto overridden = [](const std::vector<std::string>& overrides) {
    return one(good, Purpose::train, overrides);
  };
  EXPECT_EQ(listing(good, Purpose::train, {"train.stepz=3"}),
            "command line: error: unknown key train.stepz\n      | train.stepz=3\n      | ^^^^^^^^^^^^^\n      hint: "
            "did you mean train.steps?\n"
            "1 error, nothing was started");
  EXPECT_EQ(overridden({"learning_rate=1"}), "unknown key learning_rate | did you mean train.learning_rate?");
  EXPECT_EQ(overridden({"foo"}), "expected section.key=value, found \"foo\"");
  EXPECT_EQ(overridden({"train.seed=1", "train.seed=2"}),
            "key train.seed stands twice on the command line | remove one of them");
  EXPECT_EQ(overridden({"steps=1", "train.steps=2"}),
            "key train.steps stands twice on the command line | remove one of them");
  EXPECT_EQ(overridden({"train.seed="}),
            "expected a value for train.seed, found nothing | train.seed=default takes it out of the file");
  EXPECT_EQ(overridden({"train.seed=eight"}), "expected an int of at least 0, found \"eight\"");
  EXPECT_EQ(overridden({"data.sources[3].path=x"}),
            "data.sources[3].path does not exist: sources has 1 item | give the whole list instead");
  EXPECT_EQ(overridden({"steps=1", "epochs=2"}),
            "expected one length, found train.steps and train.epochs | remove one of them");
  EXPECT_EQ(overridden({"method.lora.targets=[a"}),
            "expected a name as the key, found a list | perhaps a bracket is not closed");
}

TEST(Mistakes, AnOverrideThatMakesAKeyPointlessIsAWarning) {
  const std::string lora = base + "method: {adapter: lora, lora: {rank: 8}}\n";
  const auto off = load_config_text(lora, "a.yaml", "/", {"method.adapter=none"}, Purpose::tune);
  EXPECT_THAT(off.warnings, testing::ElementsAre("method.lora.rank has no effect with method.adapter none"));
  const auto given = load_config_text(base, "a.yaml", "/", {"method.lora.rank=8"}, Purpose::tune);
  EXPECT_EQ(given.warnings.size(), 1u);
}

TEST(Mistakes, EnvironmentVariablesNeverSetAKey) {
  ::setenv("PLUMB_TRAIN_STEPS", "3", 1);
  const std::string found = listing(good);
  ::unsetenv("PLUMB_TRAIN_STEPS");
  EXPECT_EQ(found,
            "a.yaml: error: unknown environment variable PLUMB_TRAIN_STEPS\n"
            "      hint: environment variables never set a key; give section.key=value on the command line\n"
            "1 error, nothing was started");
  EXPECT_EQ(listing(good), "no error");
}

TEST(Mistakes, AtMostTwentyAreShown) {
  std::string yaml = good + "output:\n";
  for (int i = 0; i < 30; ++i) yaml += "  wrong" + std::to_string(i) + ": 1\n";
  const std::string text = listing(yaml);
  EXPECT_THAT(text, EndsWith("\n30 errors: these 20 and 10 more, nothing was started"));
  EXPECT_THAT(text, testing::AllOf(HasSubstr("wrong19"), testing::Not(HasSubstr("wrong20"))));
}

TEST(Hostile, WhatYamlCppWouldTake) {
  EXPECT_EQ(one("a: &a [*a]\n"), "expected a value, found an alias to a value that contains it | write the value out");
  EXPECT_EQ(with("<<: {output: {}}"),
            "unknown key << | merge keys are not read; write the keys out, or give overrides on the command line");
  EXPECT_EQ(one(good + "---\nx: 1\n"),
            "expected one document, found a second one | one file is one run; split the file");
  EXPECT_EQ(one("train:\n\tsteps: 3\n"),
            "expected spaces, found a tab | replace it by spaces; inside double quotes \\t is a tab");
  EXPECT_EQ(one("train: \xff\n"), "expected UTF-8, found the byte 0xff | save the file as UTF-8");
  EXPECT_EQ(one("train: \xed\xa0\x80\n"), "expected UTF-8, found the byte 0xed | save the file as UTF-8");
  EXPECT_EQ(one(std::string("train: a\0b\n", 11)), "expected text, found the control character 0x00");
  EXPECT_EQ(train_with("seed: !!int 3"),
            "expected a plain value, found the tag tag:yaml.org,2002:int | the key decides how its value is read; "
            "remove the tag");
  EXPECT_EQ(one("? [a]\n: b\n"), "expected a name as the key, found a list | perhaps a bracket is not closed");
  EXPECT_THAT(one("train: {steps: 3\n"), HasSubstr("not valid YAML: "));
  EXPECT_THAT(one("a: b: c\n"), HasSubstr("not valid YAML: "));
  EXPECT_THAT(one("a: " + std::string(600, '[') + std::string(600, ']')), HasSubstr("at most 32 levels"));
  EXPECT_EQ(listing("\xEF\xBB\xBF" + good), "no error");
  std::string windows = good;
  for (size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.replace(at, 1, "\r\n");
  EXPECT_EQ(listing(windows), "no error");
}

TEST(Hostile, BombsEndSoon) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string(i ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  std::string flat = "a: [";
  for (int i = 0; i < 300000; ++i) flat += "1,";
  std::string deep;
  for (int i = 0; i < 900; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  std::string dashes, questions;
  for (int i = 0; i < 200000; ++i) dashes += "- ", questions += "? ";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(listing(bomb), HasSubstr("expected at most 20000 values"));
  EXPECT_THAT(listing(flat + "]\n"), HasSubstr("expected at most 20000 values"));
  EXPECT_THAT(listing(deep), HasSubstr("expected at most 32 levels"));
  EXPECT_THAT(listing(dashes), HasSubstr("expected at most 32 levels"));
  EXPECT_THAT(listing(std::string(500000, '[')), HasSubstr("error: "));
  EXPECT_THAT(listing(std::string(500000, '{')), HasSubstr("error: "));
  EXPECT_THAT(listing(questions), HasSubstr("error: "));
  EXPECT_THAT(listing("a: \"" + std::string(900000, 'x')), HasSubstr("not valid YAML"));
  EXPECT_THAT(listing(std::string(2 << 20, 'x')), HasSubstr("expected at most 1048576 bytes"));
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 20.0);
}

// Random damage to good files: they load, or there is one Error(bad_input); never another exception or a crash.
TEST(Hostile, DamagedFilesLoadOrSayWhy) {
  std::mt19937 random(7);
  const std::string pieces[] = {"\n",  "  ", ": ", "- ", "[",    "]",     "{",  "}", "&a ", "*a",   "!x ", "|\n",
                                ">\n", "'",  "\"", "#",  "<<: ", "---\n", "? ", "%", "@",   "\xc3", "0",   "null"};
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text = round % 3 == 0 ? pretrain_sample : round % 3 == 1 ? tune_sample : demo_sample;
    for (unsigned i = 0; i <= random() % 4; ++i) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.insert(at, pieces[random() % std::size(pieces)]);
          break;
        case 2:
          text.erase(at, random() % 12 + 1);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
    }
    const std::string result = listing(text, round % 3 == 1 ? Purpose::tune : Purpose::train);
    refused += result != "no error";
  }
  EXPECT_GT(refused, 1500);
}

}  // namespace
}  // namespace plumb::config
