#include "data/account/account.h"

#include "core/error.h"
#include "core/json.h"

namespace plumb::data {

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
