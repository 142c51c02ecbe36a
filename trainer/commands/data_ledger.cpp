#include "trainer/commands/data_ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/json.h"
#include "core/log.h"
#include "data/build/passed_over.h"
#include "data/show.h"

namespace plumb::commands {

namespace {

using json = nlohmann::ordered_json;
constexpr size_t kMostRules = 30;

std::string percent(int64_t part, int64_t whole) {
  return whole == 0 ? "" : fmt::format("  ({:.2f}%)", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string line(const std::string& name, int64_t count, const std::string& note = "") {
  return fmt::format("  {:<16}{:>16}{}\n", name, core::with_commas(count), note);
}

// "      gopher_quality.min_words      1,234", largest first.
std::string details(const json& counts) {
  std::vector<std::pair<int64_t, std::string>> sorted;
  if (!counts.is_object()) return "";
  for (const auto& [name, count] : counts.items()) {
    if (count.is_number_integer() && count.get<int64_t>() > 0) sorted.emplace_back(-count.get<int64_t>(), name);
  }
  std::sort(sorted.begin(), sorted.end());
  std::string out;
  for (size_t i = 0; i < std::min(sorted.size(), kMostRules); ++i) {
    out += fmt::format("      {:<32}{:>12}\n", sorted[i].second, core::with_commas(-sorted[i].first));
  }
  if (sorted.size() > kMostRules) out += fmt::format("      and {} more in report.json\n", sorted.size() - kMostRules);
  return out;
}

// A kind of loss that only some runs have.
std::string loss(const std::string& name, int64_t count, int64_t whole, const json& by) {
  return count == 0 ? "" : line(name, count, percent(count, whole)) + details(by);
}

json at(const json& account, const char* key, const char* inner) {
  return account.contains(key) && account[key].contains(inner) ? account[key][inner] : json();
}

std::string changes(const json& account) {
  std::string out;
  const auto section = [&](const std::string& title, const json& counts) {
    const auto lines = details(counts);
    if (!lines.empty()) out += "  " + title + "\n" + lines;
  };
  section("repairs", at(account, "clean", "repairs"));
  section("lines removed", at(account, "clean", "lines_removed"));
  section("personal data found", at(account, "privacy", "found"));
  const auto contamination = account.value("decontamination", json::object());
  section("documents with passages of evaluation sets",
          {{"reported", contamination.value("documents_reported", int64_t{0})},
           {"masked", contamination.value("documents_masked", int64_t{0})}});
  section("bytes left out by readers", account.value("left_out", json()));
  return out;
}

std::string tokens(const data::Dataset& dataset, const data::BuildReport& report) {
  const double ratio = static_cast<double>(report.bytes) / static_cast<double>(std::max<int64_t>(report.tokens, 1));
  std::string out = line("bytes", report.bytes);
  out += line("tokens", report.tokens, fmt::format("  ({:.2f} bytes each)", ratio));
  out += line("trained tokens", report.trained_tokens, percent(report.trained_tokens, report.tokens));
  for (const auto& entry : report.ledger.lines()) {
    if (entry.name == "= trained" || entry.name == "positions") continue;  // stand here already
    out += line(entry.name, entry.count, entry.note.empty() ? "" : "  " + entry.note);
  }
  if (report.special_texts > 0) out += line("special texts", report.special_texts, "  in documents");
  if (report.invalid_utf8 > 0) out += line("invalid UTF-8", report.invalid_utf8, "  sequences, read as U+FFFD");
  if (!report.first_invalid_utf8.empty()) out += "      first in " + report.first_invalid_utf8 + "\n";
  const int64_t positions = dataset.rows() * dataset.sequence_length();
  out += line("sequences", dataset.rows(),
              fmt::format("  of {}, packing {}, {:.2f}% filled", dataset.sequence_length(), dataset.packing(),
                          100.0 * static_cast<double>(std::min(dataset.tokens(), positions)) /
                              static_cast<double>(std::max<int64_t>(positions, 1))));
  return out;
}

std::string ledger(const data::Dataset& dataset) {
  const auto report = dataset.report();
  const auto account = core::parse_json(dataset.text_file("report.json"), "report.json");
  std::string out = line("documents read", report.documents);
  for (const auto& source : data::read_passed_over(dataset.folder())) {
    out += line("files not read", source["files"].get<int64_t>(),
                "  of source " + source["source"].get<std::string>() + "; `plumb data report` names them");
  }
  out += line("= kept", report.kept, percent(report.kept, report.documents));
  const bool validation = account.value("part", "") == "validation";
  out += line("+ other part", report.held_out,
              report.held_out_by.empty() ? ""
              : validation               ? "  in the training part"
                                         : "  held out for validation by " + report.held_out_by);
  out += line("+ malformed", report.malformed, percent(report.malformed, report.documents));
  for (const auto& first : report.first_malformed) out += "      " + first + "\n";
  out += loss("+ filtered", report.filtered, report.documents, at(account, "clean", "dropped"));
  out += loss("+ personal", report.personal, report.documents, at(account, "privacy", "dropped"));
  out += loss("+ contaminated", report.contaminated, report.documents, {});
  auto kinds = account.value("duplicates", json::object());
  out += loss("+ duplicates", report.duplicates, report.documents, kinds);
  out += line("+ empty", report.empty, percent(report.empty, report.documents));
  out += line("+ too long", report.too_long, percent(report.too_long, report.documents));
  const int64_t dropped =
      report.filtered + report.personal + report.contaminated + report.duplicates + report.empty + report.too_long;
  if (dropped > 0 && account.contains("dropped")) {  // of imported tokens nobody saw the documents
    out += line("dropped in all", dropped, "  dropped.jsonl of the dataset names each, with its rule");
  }
  if (report.split > 0) out += line("split", report.split, "  of the kept ones, cut into sequences");
  return out + changes(account) + tokens(dataset, report);
}

}  // namespace

std::string dataset_text(const std::string& name, const data::Dataset& dataset) {
  const auto left_out = data::show_left_out(dataset);
  return name + (name.empty() ? "" : "\n") + ledger(dataset) +
         (left_out.empty() ? "" : fmt::format("  left out        {}\n", left_out)) +
         fmt::format("  digest          {}\n  folder          {}\n", dataset.digest(), dataset.folder().string());
}

}  // namespace plumb::commands
