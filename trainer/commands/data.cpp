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
#include "trainer/commands/data_ledger.h"
#include "trainer/run/material.h"

namespace plumb::commands {

namespace {

void print_dataset(const std::string& name, const data::Dataset& dataset) {
  std::cout << name << (name.empty() ? "" : "\n") << ledger(dataset);
  const auto left_out = data::show_left_out(dataset);
  if (!left_out.empty()) std::cout << "  left out        " << left_out << "\n";
  std::cout << "  digest          " << dataset.digest() << "\n";
  std::cout << "  folder          " << dataset.folder().string() << "\n";
}

// Which of the processes of mpirun or srun this is. A batch script of Slurm is no such process: only a step has tasks.
data::Crew::Options crew() {
  const std::pair<const char*, const char*> launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                                           {"PMI_RANK", "PMI_SIZE"},
                                                           {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
  for (const auto& [rank, size] : launchers) {
    const char *part = std::getenv(rank), *parts = std::getenv(size);
    if (!part || !parts) continue;
    data::Crew::Options options;
    options.part = std::atoi(part), options.parts = std::atoi(parts);
    if (options.parts > 1 && options.part >= 0 && options.part < options.parts) return options;
  }
  return {};
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
    std::cout << fmt::format("==== document {} of {}, id {:016x}, source {}, {}, {} tokens\n", d, dataset.documents(),
                             dataset.document_id(d), dataset.document_source(d), dataset.document_where(d),
                             core::with_commas(length));
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
      "data.cache, and prints what became of every document. Under mpirun the processes share the work, on one host "
      "or\n"
      "on several that see the same folders; what comes out is the same. Killed, it goes on where it was.",
      {}, 1, 1);
  if (arguments.help) return 0;
  const auto loaded = config::load_config(arguments.positional[0], arguments.overrides, config::Purpose::data);
  const auto share = crew();
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  core::set_rank(share.part, share.parts, host);
  const auto paths = run::build_material(loaded, share);
  if (share.part != 0) return 0;
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
      {{"verify", "", "check every byte of every file before"},
       {"documents", "N", "documents to print (default 2)"},
       {"from", "K", "first document (default 0)"},
       {"sequences", "N", "packed sequences to print (default 1)"},
       {"from-sequence", "K", "first sequence (default 0)"}},
      1, 1);
  if (arguments.help) return 0;
  const auto dataset = data::Dataset::open(arguments.positional[0]);
  if (arguments.has("verify")) dataset->verify();
  const auto tokenizer = dataset->tokenizer();
  print_dataset("", *dataset);
  if (arguments.has("verify")) std::cout << "  verified        every byte of every file\n";
  show_documents(*dataset, *tokenizer, arguments.integer("from", 0, 0), arguments.integer("documents", 2, 0));
  show_rows(dataset, *tokenizer, arguments.integer("from-sequence", 0, 0), arguments.integer("sequences", 1, 0));
  return 0;
}

}  // namespace plumb::commands
