// Croissant 1.1: the files of the sources with their hashes, what was derived from them, and how.
#include <fmt/format.h>

#include <set>

#include "data/account/account.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

json context() {
  return {{"@language", "en"},
          {"@vocab", "https://schema.org/"},
          {"sc", "https://schema.org/"},
          {"cr", "http://mlcommons.org/croissant/"},
          {"rai", "http://mlcommons.org/croissant/RAI/"},
          {"dct", "http://purl.org/dc/terms/"},
          {"prov", "http://www.w3.org/ns/prov#"},
          {"conformsTo", "dct:conformsTo"},
          {"wasDerivedFrom", "prov:wasDerivedFrom"},
          {"wasGeneratedBy", "prov:wasGeneratedBy"}};
}

std::string media_type(const std::string& name) {
  static const std::pair<const char*, const char*> kTypes[] = {{".jsonl", "application/jsonl"},
                                                               {".ndjson", "application/jsonl"},
                                                               {".json", "application/json"},
                                                               {".csv", "text/csv"},
                                                               {".tsv", "text/tab-separated-values"},
                                                               {".txt", "text/plain"},
                                                               {".md", "text/markdown"},
                                                               {".html", "text/html"},
                                                               {".htm", "text/html"},
                                                               {".pdf", "application/pdf"},
                                                               {".parquet", "application/vnd.apache.parquet"},
                                                               {".gz", "application/gzip"},
                                                               {".zst", "application/zstd"}};
  for (const auto& [end, type] : kTypes) {
    if (name.ends_with(end)) return type;
  }
  return "application/octet-stream";
}

json file_object(const json& file, size_t number) {
  const auto name = file.value("name", "");
  return {{"@type", "cr:FileObject"},
          {"@id", fmt::format("file-{}", number)},
          {"name", name},
          {"contentSize", fmt::format("{} B", file.value("bytes", int64_t{0}))},
          {"encodingFormat", media_type(name)},
          {"sha256", file.value("sha256", "")},
          {"containedIn", {{"@id", "source-" + file.value("source", "")}}}};
}

json source_set(const json& source) {
  json set{{"@type", "cr:FileSet"},
           {"@id", "source-" + source.value("name", "")},
           {"name", source.value("name", "")},
           {"encodingFormat", "text/plain"},
           {"description", fmt::format("{} documents read, {} kept, {} tokens", source.value("documents", int64_t{0}),
                                       source.value("kept", int64_t{0}), source.value("tokens", int64_t{0}))}};
  if (source.contains("license")) set["license"] = source["license"];
  if (source.contains("language")) set["inLanguage"] = source["language"];
  set["rai:dataCollectionType"] = source.value("synthetic", false) ? "Synthetic" : "Not stated";
  return set;
}

json activity(const Account& account) {
  json steps = json::array();
  for (const auto& [name, settings] : account.report["rules"].items()) {
    steps.push_back({{"@type", "prov:Activity"}, {"prov:label", name}, {"description", settings.dump()}});
  }
  return {{"@type", "prov:Activity"},
          {"prov:label", "plumb data build"},
          {"description",
           fmt::format("sequences of {} tokens, packing {}, tokenizer {}", account.report.value("sequence_length", 0),
                       account.report.value("packing", ""), account.report["tokenizer"].value("digest", ""))},
          {"prov:wasInformedBy", steps}};
}

}  // namespace

json croissant(const Account& account) {
  const json& report = account.report;
  const json& totals = report["totals"];
  json licenses = json::array(), languages = json::array(), derived = json::array(), distribution = json::array();
  std::set<std::string> seen;
  for (const auto& source : report["sources"]) {
    distribution.push_back(source_set(source));
    if (const auto license = source.value("license", ""); !license.empty() && seen.insert("l" + license).second) {
      licenses.push_back(license);
    }
    if (const auto language = source.value("language", ""); !language.empty() && seen.insert("i" + language).second) {
      languages.push_back(language);
    }
  }
  for (size_t i = 0; i < account.files.size(); ++i) {
    distribution.push_back(file_object(account.files[i], i));
    derived.push_back({{"@id", fmt::format("file-{}", i)}});
  }
  int64_t found = 0;
  for (const auto& [kind, count] : report["privacy"]["found"].items()) found += count.get<int64_t>();
  return {{"@context", context()},
          {"@type", "sc:Dataset"},
          {"@id", "plumb:" + account.digest},
          {"conformsTo", "http://mlcommons.org/croissant/1.1"},
          {"name", account.name},
          {"description",
           fmt::format("Training data of {} documents and {} tokens, made from {} files",
                       totals.value("kept", int64_t{0}), totals.value("tokens", int64_t{0}), account.files.size())},
          {"identifier", account.digest},
          {"license", licenses},
          {"inLanguage", languages},
          {"rai:dataPreprocessingProtocol", report["rules"].empty() ? "none" : report["rules"].dump()},
          {"rai:personalSensitiveInformation",
           report["rules"].contains("privacy")
               ? fmt::format("{} values found and handled as the protocol says; counts by kind: {}", found,
                             report["privacy"]["found"].dump())
               : "not looked for"},
          {"wasDerivedFrom", derived},
          {"wasGeneratedBy", activity(account)},
          {"distribution", distribution}};
}

}  // namespace plumb::data
