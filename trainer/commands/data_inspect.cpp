// plumb data inspect
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "core/log.h"
#include "data/show.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/data_ledger.h"

namespace plumb::commands {

namespace {

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
  std::cout << dataset_text("", *dataset);
  if (arguments.has("verify")) std::cout << "  verified        every byte of every file\n";
  show_documents(*dataset, *tokenizer, arguments.integer("from", 0, 0), arguments.integer("documents", 2, 0));
  show_rows(dataset, *tokenizer, arguments.integer("from-sequence", 0, 0), arguments.integer("sequences", 1, 0));
  return 0;
}

}  // namespace plumb::commands
