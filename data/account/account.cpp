#include "data/account/account.h"

#include "core/error.h"
#include "core/json.h"
#include "data/build/counts.h"
#include "data/build/passed_over.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

// Every section that what follows looks into. Datasets that were imported by earlier releases have few.
void complete(json& report, const std::string& place) {
  json whole = report_sections({}, {});
  for (const char* key : {"totals", "dropped", "tokenizer", "rules", "duplicates"}) whole[key] = json::object();
  whole["sources"] = json::array();
  for (const auto& [key, empty] : whole.items()) {
    auto& section = report[key];
    if (section.is_null()) section = empty;
    if (section.type() != empty.type() && !(section.is_number() && empty.is_number())) {
      fail_input(place, "\"" + key + "\" is of another type than a build writes", "build the dataset again");
    }
    for (const auto& [inner, value] : empty.items()) {
      if (empty.is_object() && !section.contains(inner)) section[inner] = value;
    }
  }
  if (!report["totals"].contains("ledger")) report["totals"]["ledger"] = json::object();
}

}  // namespace

std::set<std::string> languages_of(const json& report) {
  std::set<std::string> all;
  for (const auto& source : report["sources"]) all.insert(source.value("language", ""));
  for (const auto& [language, amount] : report["languages"].items()) {
    if (amount[0].get<int64_t>() > 0) all.insert(language);
  }
  all.erase("");
  return all;
}

Account read_account(const Dataset& dataset) {
  Account account;
  const auto folder = dataset.folder();  // may end with a slash
  account.name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  account.digest = dataset.digest();
  const std::string place = (dataset.folder() / "report.json").string();
  account.report = core::parse_json(dataset.text_file("report.json"), place);
  if (account.report.value("format", "") != "plumb-report-1") {
    fail_input(place, "expected format plumb-report-1, found \"" + account.report.value("format", "") + "\"",
               "build the dataset again with this release");
  }
  complete(account.report, place);
  account.report["passed_over"] = read_passed_over(folder);
  const std::string lines = dataset.text_file("sources.jsonl");
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    account.files.push_back(
        core::parse_json(lines.substr(at, end - at), (dataset.folder() / "sources.jsonl").string()));
    at = end + 1;
  }
  return account;
}

}  // namespace plumb::data
