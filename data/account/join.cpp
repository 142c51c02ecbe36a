// Several datasets as one: what their builds counted added up, and beside it what a run read of each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "data/account/account.h"
#include "data/build/counts.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

constexpr size_t kDigestShown = 8;

void check(const std::vector<AccountPart>& parts) {
  std::set<std::string> digests;
  for (const auto& part : parts) {
    const auto& dataset = *part.dataset;
    if (!digests.insert(dataset.digest()).second) {
      fail_input(dataset.folder(), "is given twice: its documents would be counted twice", "name each dataset once");
    }
    if (const auto& first = *parts[0].dataset; dataset.tokenizer_digest() != first.tokenizer_digest()) {
      fail_input(dataset.folder(),
                 fmt::format("expected the tokenizer of {} ({}), found {}: their tokens do not add up",
                             first.folder().string(), first.tokenizer_digest(), dataset.tokenizer_digest()),
                 "a report for each of them, or build them with one tokenizer");
    }
  }
}

// What a report says of reading, cleaning, privacy and evaluation sets; of these only what report_sections() writes.
ReadCounts counts_of(const json& report) {
  ReadCounts counts;
  counts.bytes = report["bytes_read"].get<int64_t>();
  counts.left_out = report["left_out"].get<std::map<std::string, int64_t>>();
  counts.clean = CleanCounts::from_json(report["clean"]);
  counts.privacy = PrivacyCounts::from_json(report["privacy"]);
  counts.contamination = ContaminationCounts::from_json(report["decontamination"]);
  return counts;
}

Shape shape_of(const json& report) {
  json shape{{"bytes", report["lengths"]["bytes"]}, {"tokens", report["lengths"]["tokens"]}};
  for (const char* key : {"languages", "stated_languages", "domains", "other_domains"}) shape[key] = report[key];
  return Shape::from_json(shape);
}

// Numbers of two objects added up, name by name; anything else is left out.
void add_numbers(json& to, const json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object()) {
      if (!to[key].is_object()) to[key] = json::object();
      add_numbers(to[key], value);
    } else if (value.is_number_integer()) {
      to[key] = to.value(key, int64_t{0}) + value.get<int64_t>();
    }
  }
}

// Clusters and passages are those of the corpus, which datasets of one mix share.
json joined_duplicates(const std::vector<Account>& accounts) {
  json all{{"exact", 0}, {"near", 0}, {"repeated", 0}};
  std::set<std::string> corpora;
  for (const auto& account : accounts) {
    const json& found = account.report["duplicates"];
    json counts;
    for (const char* key : {"exact", "near", "repeated"}) counts[key] = found.value(key, int64_t{0});
    if (corpora.insert(json(account.files).dump() + found.value("clusters", json()).dump()).second) {
      for (const char* key : {"clusters", "passages"}) {
        if (found.contains(key) && found[key].is_object()) counts[key] = found[key];
      }
    }
    add_numbers(all, counts);
  }
  return all;
}

// A rule with the settings that all datasets have, or with those of each that has it.
json joined_rules(const std::vector<Account>& accounts) {
  json all = json::object();
  for (const auto& account : accounts) {
    for (const auto& [rule, settings] : account.report["rules"].items()) {
      const auto same = [&rule = rule, &settings = settings](const Account& other) {
        return other.report["rules"].contains(rule) && other.report["rules"][rule] == settings;
      };
      if (std::all_of(accounts.begin(), accounts.end(), same)) {
        all[rule] = settings;
      } else {
        all[rule][account.name] = settings;
      }
    }
  }
  return all;
}

// Sets of one name that are not the same stay apart: "set (dataset)".
void keep_sets_apart(json& looked_for, Account& account) {
  auto& found = account.report["decontamination"];
  if (!found.contains("looked_for")) return;
  json renamed = json::object();
  for (const auto& [set, summary] : found["looked_for"].items()) {
    const bool other = looked_for.contains(set) && looked_for[set] != summary;
    const auto name = other ? fmt::format("{} ({})", set, account.name) : set;
    renamed[name] = summary, looked_for[name] = summary;
    if (!other || !found["sets"].contains(set)) continue;
    json items = std::move(found["sets"][set]);
    found["sets"].erase(set);
    found["sets"][name] = std::move(items);
  }
  found["looked_for"] = std::move(renamed);
}

json source_entry(const json& source, const AccountPart& part, const std::string& dataset, const json& sources) {
  json entry{{"dataset", dataset}, {"replay", part.replay}};
  entry.update(source);
  if (!part.read) return entry;
  // Sources of one name are told apart by their share in the dataset alone.
  const auto name = source.value("name", "");
  int64_t of_name = 0;
  for (const auto& other : sources) {
    if (other.value("name", "") == name) of_name += other.value("tokens", int64_t{0});
  }
  const auto found = part.read->tokens.find(name);
  const double read = found == part.read->tokens.end() ? 0 : static_cast<double>(found->second);
  const double tokens = static_cast<double>(source.value("tokens", int64_t{0}));
  entry["tokens_read"] = of_name == 0 ? 0 : std::llround(read * (tokens / static_cast<double>(of_name)));
  return entry;
}

json dataset_entry(const Account& account, const AccountPart& part) {
  const auto& dataset = *part.dataset;
  json entry{{"name", account.name},       {"digest", account.digest},
             {"replay", part.replay},      {"documents", dataset.documents()},
             {"tokens", dataset.tokens()}, {"rows", dataset.rows()}};
  if (part.read) {
    int64_t tokens = 0;
    for (const auto& [source, n] : part.read->tokens) tokens += n;
    entry["read"] = {{"rows", part.read->rows},
                     {"epochs", static_cast<double>(part.read->rows) / static_cast<double>(dataset.rows())},
                     {"positions", part.read->rows * dataset.sequence_length()},
                     {"tokens", tokens}};
  }
  entry["report"] = account.report;
  return entry;
}

std::vector<Account> read_parts(const std::vector<AccountPart>& parts) {
  std::vector<Account> accounts;
  std::set<std::string> names;
  for (const auto& part : parts) {
    auto& account = accounts.emplace_back(read_account(*part.dataset));
    if (parts.size() > 1 && account.report.value("part", "") == "validation") {
      fail_input(part.dataset->folder(), "is what was held out of a dataset: no training data",
                 "leave it out, or report it on its own");
    }
    if (!part.name.empty()) account.name = part.name;
    if (!names.insert(account.name).second) account.name += "-" + account.digest.substr(0, kDigestShown);
  }
  return accounts;
}

// The sections of a report that add up.
void add_sections(json& report, std::vector<Account>& accounts, const std::vector<AccountPart>& parts) {
  BuildReport totals;
  ReadCounts counts;
  Shape shape;
  json looked_for = json::object();
  std::vector<json> contaminated;
  int64_t listed = 0;
  report["passed_over"] = json::array();
  for (size_t p = 0; p < parts.size(); ++p) {
    keep_sets_apart(looked_for, accounts[p]);
    const json& own = accounts[p].report;
    const auto one = parts[p].dataset->report();
    totals += one;
    for (const auto& line : one.first_malformed) totals.first_malformed.push_back(line);
    counts += counts_of(own), shape += shape_of(own);
    listed += own["decontamination"].value("documents_listed", int64_t{0});
    for (const auto& document : own["decontamination"].value("largest", json::array())) {
      contaminated.push_back(document);
    }
    for (const auto& source : own["passed_over"]) report["passed_over"].push_back(source);
  }
  report["totals"] = totals.json();
  report["totals"].erase("held_out_by");
  report.update(report_sections(counts, shape));
  if (looked_for.empty()) return;
  keep_largest(contaminated, kLargestContaminated);
  report["decontamination"].update(
      {{"looked_for", looked_for}, {"documents_listed", listed}, {"largest", contaminated}});
}

void add_datasets(json& report, const std::vector<Account>& accounts, const std::vector<AccountPart>& parts) {
  for (const char* list : {"datasets", "sources"}) report[list] = json::array();
  json read{{"rows", 0}, {"positions", 0}, {"tokens", 0}};
  for (size_t p = 0; p < parts.size(); ++p) {
    const auto& entry = report["datasets"].emplace_back(dataset_entry(accounts[p], parts[p]));
    if (parts[p].read)
      add_numbers(read, {{"rows", entry["read"]["rows"]},
                         {"positions", entry["read"]["positions"]},
                         {"tokens", entry["read"]["tokens"]}});
    const json& sources = accounts[p].report["sources"];
    for (const auto& source : sources) {
      report["sources"].push_back(source_entry(source, parts[p], accounts[p].name, sources));
    }
  }
  if (report.contains("steps")) report["read"] = read;
}

}  // namespace

Account join_accounts(const std::string& name, std::optional<int64_t> steps, const std::vector<AccountPart>& parts) {
  if (parts.empty()) fail_internal("an account of no dataset");
  check(parts);
  Account all;
  all.name = name;
  all.parts = read_parts(parts);
  std::string digests;
  for (const auto& account : all.parts) digests += account.digest + "\n";
  all.digest = core::sha256(digests);
  auto& report = all.report;
  report = {{"format", "plumb-report-set-1"}, {"name", name}, {"digest", all.digest}};
  if (steps) report["steps"] = *steps;
  report["tokenizer"] = all.parts[0].report["tokenizer"];
  report["rules"] = joined_rules(all.parts);
  try {
    add_datasets(report, all.parts, parts);
    report["dropped"] = json::object();
    for (const auto& account : all.parts) add_numbers(report["dropped"], account.report["dropped"]);
    report["duplicates"] = joined_duplicates(all.parts);
    add_sections(report, all.parts, parts);
  } catch (const nlohmann::json::exception&) {
    fail_input(name, "a dataset's report.json does not hold what a build writes", "build the dataset again");
  }
  return all;
}

}  // namespace plumb::data
