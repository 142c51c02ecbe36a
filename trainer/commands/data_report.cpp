// plumb data report
#include <fmt/format.h>

#include <iostream>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "data/account/account.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/commands.h"

namespace plumb::commands {

int data_report(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data report DATASET [--out FOLDER]",
      "Writes the account of a dataset into FOLDER: report.html and report.json (documents, tokens, sources, what was\n"
      "dropped and why), croissant.json (Croissant 1.1 with provenance) and eu-summary.md (a draft of the European\n"
      "Union's summary of training content: tables filled, attestations left open).",
      {{"out", "FOLDER", "where to (DATASET's name with -report, in the current folder)"}}, 1, 1);
  if (arguments.help) return 0;
  const auto dataset = data::Dataset::open(arguments.positional[0]);
  const auto account = data::read_account(*dataset);
  const std::filesystem::path folder = arguments.get("out", account.name + "-report");
  std::filesystem::create_directories(folder);
  const std::pair<const char*, std::string> files[] = {
      {"report.html", data::report_html(account)},
      {"report.json", account.report.dump(2) + "\n"},
      {"croissant.json", data::croissant(account).dump(2) + "\n"},
      {"eu-summary.md", data::eu_summary(account)},
  };
  for (const auto& [name, content] : files) {
    core::write_text(folder / name, content);
    std::cout << fmt::format("{}  {}\n", core::with_commas(static_cast<int64_t>(content.size())),
                             (folder / name).string());
  }
  return 0;
}

}  // namespace plumb::commands
