// plumb data build | inspect
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "core/config/load.h"
#include "core/error.h"
#include "core/log.h"
#include "data/show.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"
#include "trainer/run/material.h"

namespace plumb::commands {

namespace {

std::string percent(int64_t part, int64_t whole) {
  return whole == 0 ? "" : fmt::format("  ({:.2f}%)", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

// The ledger: what was read is what was kept and each kind of loss.
std::string ledger(const data::Dataset& dataset) {
  const auto report = dataset.report();
  const auto line = [](const std::string& name, int64_t count, const std::string& note = "") {
    return fmt::format("  {:<16}{:>16}{}\n", name, core::with_commas(count), note);
  };
  std::string out = line("documents read", report.documents);
  out += line("= kept", report.kept, percent(report.kept, report.documents));
  out += line("+ other part", report.held_out,
              report.held_out_by.empty() ? "" : "  held out for validation by " + report.held_out_by);
  out += line("+ malformed", report.malformed, percent(report.malformed, report.documents));
  for (const auto& first : report.first_malformed) out += "      " + first + "\n";
  out += line("+ empty", report.empty, percent(report.empty, report.documents));
  out += line("+ too long", report.too_long, percent(report.too_long, report.documents));
  if (report.split > 0) out += line("split", report.split, "  of the kept ones, cut into sequences");
  out += line("bytes", report.bytes);
  const double ratio = static_cast<double>(report.bytes) / static_cast<double>(std::max<int64_t>(report.tokens, 1));
  out += line("tokens", report.tokens, fmt::format("  ({:.2f} bytes each)", ratio));
  out += line("trained tokens", report.trained_tokens, percent(report.trained_tokens, report.tokens));
  if (report.special_texts > 0) out += line("special texts", report.special_texts, "  in documents");
  if (report.invalid_utf8 > 0) out += line("invalid UTF-8", report.invalid_utf8, "  sequences, read as U+FFFD");
  const int64_t positions = dataset.rows() * dataset.sequence_length();
  out += line("sequences", dataset.rows(),
              fmt::format("  of {}, packing {}, {:.2f}% filled", dataset.sequence_length(), dataset.packing(),
                          100.0 * static_cast<double>(std::min(dataset.tokens(), positions)) /
                              static_cast<double>(std::max<int64_t>(positions, 1))));
  return out;
}

void print_dataset(const std::string& name, const data::Dataset& dataset) {
  std::cout << name << (name.empty() ? "" : "\n") << ledger(dataset);
  std::cout << "  digest          " << dataset.digest() << "\n";
  std::cout << "  folder          " << dataset.folder().string() << "\n";
}

// Under mpirun every process builds (one does the work, the others wait for it), the first one speaks.
bool speaks() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    if (const char* rank = std::getenv(name)) return std::string(rank) == "0";
  }
  return true;
}

bool colours() {
  const char* no = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0');
}

void show_documents(const data::Dataset& dataset, const data::Tokenizer& tokenizer, int64_t first, int64_t count) {
  for (int64_t d = first; d < std::min(first + count, dataset.documents()); ++d) {
    // Of a book only the beginning is shown.
    data::Sample sample;
    const int64_t length = dataset.document_tokens(d), shown = std::min<int64_t>(length, 2000);
    sample.ids.resize(static_cast<size_t>(shown)), sample.weight.resize(sample.ids.size());
    dataset.read(d, 0, sample.ids, sample.weight);
    std::cout << fmt::format("==== document {} of {}, id {:016x}, source {}, {} tokens\n", d, dataset.documents(),
                             dataset.document_id(d), dataset.document_source(d), core::with_commas(length));
    std::cout << data::show_sample(sample, tokenizer, colours());
    std::cout << (shown < length ? fmt::format(" ... {} tokens more", core::with_commas(length - shown)) : "") << "\n";
  }
}

void show_rows(const data::DatasetPtr& dataset, const data::Tokenizer& tokenizer, int64_t first, int64_t count) {
  data::RowStream::Options options;
  options.shuffle = false;
  options.pad_id = tokenizer.pad().value_or(0);
  const data::RowStream rows(dataset, nullptr, dataset->sequence_length(), options);
  for (int64_t r = first; r < std::min(first + count, dataset->rows()); ++r) {
    std::cout << fmt::format("==== sequence {} of {}\n", r, dataset->rows());
    std::cout << data::show_row(rows.batch(static_cast<uint64_t>(r), 1), 0, tokenizer, colours());
  }
}

}  // namespace

int data_build(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data build CFG [section.key=value ...]",
      "Builds the tokenizer and the datasets that `plumb train` or `tune` with this file would build first, into\n"
      "data.cache, and prints what became of every document. Also under mpirun.",
      {}, 1, 1);
  if (arguments.help) return 0;
  const auto loaded = config::load_config(arguments.positional[0], arguments.overrides, config::Purpose::data);
  const auto paths = run::build_material(loaded);
  if (!speaks()) return 0;
  std::cout << "tokenizer\n  folder          " << paths.tokenizer.string() << "\n";
  for (const auto& part : paths.train) {
    print_dataset(part.name.empty() ? "train" : "train " + part.name, *data::Dataset::open(part.folder));
  }
  for (const auto& [name, path] : {std::pair("validation", &paths.validation), std::pair("replay", &paths.replay)}) {
    if (!path->empty()) print_dataset(name, *data::Dataset::open(*path));
  }
  return 0;
}

int data_inspect(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data inspect DATASET",
      "Prints the ledger of a dataset folder, then documents and packed sequences as text. Trained tokens are green\n"
      "(in [[...]] without colours); a line of dashes stands where documents meet.",
      {{"documents", "N", "documents to print (default 2)"},
       {"from", "K", "first document (default 0)"},
       {"sequences", "N", "packed sequences to print (default 1)"},
       {"from-sequence", "K", "first sequence (default 0)"}},
      1, 1);
  if (arguments.help) return 0;
  const auto dataset = data::Dataset::open(arguments.positional[0]);
  const auto tokenizer = data::load_tokenizer(dataset->folder() / "tokenizer.json");
  print_dataset("", *dataset);
  show_documents(*dataset, *tokenizer, arguments.integer("from", 0, 0), arguments.integer("documents", 2, 0));
  show_rows(dataset, *tokenizer, arguments.integer("from-sequence", 0, 0), arguments.integer("sequences", 1, 0));
  return 0;
}

}  // namespace plumb::commands
