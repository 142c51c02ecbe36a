// plumb data report
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "data/account/account.h"
#include "data/store/store.h"
#include "trainer/commands/arguments.h"
#include "trainer/jobs/jobs.h"
#include "trainer/run/lineage.h"

namespace plumb::commands {

namespace {

namespace fs = std::filesystem;

bool is_run(const std::string& folder) {
  return !data::is_remote(folder) && fs::exists(fs::path(folder) / "resolved.yaml");
}

// The last name of a folder that may be written with a slash behind it, or as ".".
std::string name_of(const std::string& folder) {
  const auto path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

// A dataset that is replayed and trained on stands once, with all that was read of it.
data::Account account_of_run(const std::string& folder) {
  const auto lineage = run::Lineage::open(folder);
  std::vector<data::AccountPart> parts;
  for (auto& amount : lineage.amounts()) {
    const auto same = std::find_if(parts.begin(), parts.end(), [&](const auto& part) {
      return part.dataset->digest() == amount.dataset->digest();
    });
    if (same != parts.end()) {
      same->name += ", replay", same->read->rows += amount.rows;
      for (const auto& [source, tokens] : amount.tokens) same->read->tokens[source] += tokens;
      continue;
    }
    const std::string name = amount.replay ? "replay" : amount.name.empty() ? "train" : amount.name;
    parts.push_back(
        {amount.dataset, name, amount.replay, data::AccountPart::Read{amount.rows, std::move(amount.tokens)}});
  }
  return data::join_accounts(lineage.run_name(), lineage.steps(), parts);
}

data::Account account_of(const std::vector<std::string>& folders) {
  if (folders.size() == 1) {
    return is_run(folders[0]) ? account_of_run(folders[0]) : data::read_account(*data::Dataset::open(folders[0]));
  }
  std::vector<data::AccountPart> parts;
  for (const auto& folder : folders) {
    if (is_run(folder)) {
      fail_input(folder, fmt::format("is a run, found among {} folders", folders.size()),
                 "one run, which names its datasets itself, or datasets alone");
    }
    parts.push_back({data::Dataset::open(folder), ""});
  }
  return data::join_accounts("datasets", std::nullopt, parts);
}

}  // namespace

int data_report(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data report RUN | DATASET... [--out FOLDER]",
      "Writes the account of a run's datasets, of one dataset, or of several together into FOLDER: report.html and\n"
      "report.json (documents, tokens, sources, what was dropped and why), croissant.json (Croissant 1.1 with\n"
      "provenance) and eu-summary.md (a draft of the European Union's summary of training content: tables filled,\n"
      "attestations left open). Of a run also what it read of each dataset, up to its newest checkpoint.",
      {{"out", "FOLDER", "where to (the name of RUN or DATASET with -report, in the current folder)"}}, 1, -1);
  if (arguments.help) return 0;
  const auto& folders = arguments.positional;
  const auto account = account_of(folders);
  const fs::path folder = arguments.get("out", (folders.size() > 1 ? account.name : name_of(folders[0])) + "-report");
  fs::create_directories(folder);
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
