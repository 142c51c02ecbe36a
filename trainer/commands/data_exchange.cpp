// plumb data import | export
#include <fmt/format.h>

#include <iostream>

#include "core/error.h"
#include "core/log.h"
#include "data/megatron.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"

namespace plumb::commands {

namespace {

void check_format(const Arguments& arguments) {
  const auto format = arguments.get("format", "megatron");
  if (format != "megatron") fail_input("--format", "expected megatron, found " + format);
}

std::string amount(int64_t documents, int64_t tokens) {
  return fmt::format("{} documents, {} tokens", core::with_commas(documents), core::with_commas(tokens));
}

}  // namespace

int data_import(const Words& words) {
  const auto arguments = parse_arguments(words, "plumb data import PREFIX OUT --tokenizer FILE [--format megatron]",
                                         "Makes the dataset folder OUT from PREFIX.bin and PREFIX.idx of Megatron-LM. "
                                         "The files do not say which tokenizer\n"
                                         "made them: name it. `data.dataset: OUT` trains on it.",
                                         {{"format", "megatron", "format of PREFIX (megatron)"},
                                          {"tokenizer", "FILE", "tokenizer.json, or its folder, that made the ids"},
                                          {"sequence-length", "N", "positions in a sequence (2048)"},
                                          {"packing", "WORD", "concat, best_fit or none (concat)"}},
                                         2, 2);
  if (arguments.help) return 0;
  check_format(arguments);
  if (!arguments.has("tokenizer")) {
    fail_input("--tokenizer", "missing", "the tokenizer.json that the ids were made with, or its folder");
  }
  const auto tokenizer = data::load_tokenizer(arguments.get("tokenizer", ""));
  const auto report =
      data::import_megatron(arguments.positional[0], arguments.positional[1], *tokenizer,
                            arguments.integer("sequence-length", 2048, 2), arguments.get("packing", "concat"));
  if (report.without_end > 0) {
    core::warning("{} of {} documents do not end with the end token: a model trained on them learns no ending there",
                  core::with_commas(report.without_end), core::with_commas(report.documents));
  }
  if (report.empty > 0)
    core::warning("{} documents of less than two tokens were left out", core::with_commas(report.empty));
  std::cout << "imported  " << amount(report.documents, report.tokens) << "\n"
            << "digest    " << data::Dataset::open(arguments.positional[1])->digest() << "\n";
  return 0;
}

int data_export(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data export DATASET PREFIX [--format megatron]",
      "Writes PREFIX.bin and PREFIX.idx for Megatron-LM, a sequence for each document. Which tokenizer\n"
      "and which tokens have a loss has no place in them.",
      {{"format", "megatron", "format of PREFIX (megatron)"}}, 2, 2);
  if (arguments.help) return 0;
  check_format(arguments);
  const auto dataset = data::Dataset::open(arguments.positional[0]);
  const auto tokenizer = dataset->tokenizer();
  const auto report = data::export_megatron(*dataset, arguments.positional[1], tokenizer->vocab_size());
  if (report.masked > 0) {
    core::warning("{} of {} tokens have no loss here (prompts); Megatron would train on them",
                  core::with_commas(report.masked), core::with_commas(report.tokens));
  }
  std::cout << "exported  " << amount(report.documents, report.tokens) << "\n"
            << "tokenizer " << dataset->folder().string() << "\n";
  return 0;
}

}  // namespace plumb::commands
