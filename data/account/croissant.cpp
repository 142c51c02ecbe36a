// Croissant 1.1: the files of the sources with their hashes, what was derived from them, and how.
#include <fmt/format.h>

#include <algorithm>
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

// Croissant asks for what no build knows; the field stands there and says so.
constexpr const char* kOpen = "to be stated by the provider";

json file_object(const json& file, const std::string& id, const std::string& source_id) {
  const auto name = file.value("name", "");
  json object{{"@type", "cr:FileObject"},
              {"@id", id},
              {"name", name},
              {"contentUrl", name},
              {"contentSize", fmt::format("{} B", file.value("bytes", int64_t{0}))},
              {"encodingFormat", media_type(name)}};
  if (const auto sha256 = file.value("sha256", ""); !sha256.empty()) object["sha256"] = sha256;
  if (const auto version = file.value("version", ""); !version.empty()) object["version"] = version;
  object["containedIn"] = {{"@id", source_id}};
  return object;
}

// Which source of the report each file belongs to; the number of sources for one of another dataset (a mix is several
// datasets over the same files). Names need not differ: files stand in the order of their sources.
std::vector<size_t> sources_of_files(const Account& account) {
  const json& sources = account.report["sources"];
  std::vector<size_t> of_files;
  size_t listed = 0;
  for (const auto& source : sources) listed += source.value("files", size_t{0});
  if (listed == account.files.size()) {
    for (size_t s = 0; s < sources.size(); ++s)
      of_files.insert(of_files.end(), sources[s].value("files", size_t{0}), s);
    return of_files;
  }
  for (const auto& file : account.files) {
    const auto same = [&](const json& source) { return source.value("name", "") == file.value("source", ""); };
    of_files.push_back(static_cast<size_t>(std::find_if(sources.begin(), sources.end(), same) - sources.begin()));
  }
  return of_files;
}

// "**/*.jsonl" of "2024/a.jsonl": what of its folder a source takes, as far as names of files tell.
std::string pattern_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t dot = name.find('.', slash == std::string::npos ? 1 : slash + 2);
  return (slash == std::string::npos ? "*" : "**/*") + (dot == std::string::npos ? "" : name.substr(dot));
}

json source_set(const json& source, const std::string& id, const std::set<std::string>& includes) {
  json set{{"@type", "cr:FileSet"},
           {"@id", id},
           {"name", source.value("name", "")},
           {"encodingFormat", "text/plain"},
           {"includes", includes},
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

// Sources and files of one dataset. `prefix` keeps ids of several datasets apart: names need not differ.
void distribute(const Account& account, const std::string& prefix, json& distribution, json& derived) {
  const auto of_files = sources_of_files(account);
  const json& sources = account.report["sources"];
  const auto source_id = [&](size_t s) { return fmt::format("{}source-{}", prefix, s); };
  for (size_t s = 0; s < sources.size(); ++s) {
    std::set<std::string> includes;
    for (size_t f = 0; f < of_files.size(); ++f) {
      if (of_files[f] == s) includes.insert(pattern_of(account.files[f].value("name", "")));
    }
    distribution.push_back(source_set(sources[s], source_id(s), includes));
  }
  for (size_t i = 0; i < account.files.size(); ++i) {
    if (of_files[i] == sources.size()) continue;
    const auto id = fmt::format("{}file-{}", prefix, i);
    distribution.push_back(file_object(account.files[i], id, source_id(of_files[i])));
    derived.push_back({{"@id", id}});
  }
}

// The licences that the sources state, each once, in their order.
json licenses_of(const json& sources) {
  json all = json::array();
  for (const auto& source : sources) {
    const auto value = source.value("license", "");
    if (!value.empty() && std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
  }
  return all;
}

// A dataset among several, with what a run read of it.
json part_of(const json& dataset) {
  auto text = fmt::format("{}: {} documents, {} tokens", dataset.value("replay", false) ? "replay" : "training data",
                          dataset.value("documents", int64_t{0}), dataset.value("tokens", int64_t{0}));
  if (dataset.contains("read")) {
    text += fmt::format("; {} tokens of it were read, {:.2f} epochs", dataset["read"].value("tokens", int64_t{0}),
                        dataset["read"].value("epochs", 0.0));
  }
  return {{"@type", "sc:Dataset"},
          {"@id", "plumb:" + dataset.value("digest", "")},
          {"name", dataset.value("name", "")},
          {"identifier", dataset.value("digest", "")},
          {"description", text}};
}

}  // namespace

json croissant(const Account& account) {
  const json& report = account.report;
  const json& totals = report["totals"];
  json derived = json::array(), distribution = json::array(), generated = json::array(), parts = json::array();
  for (size_t p = 0; p < account.parts.size(); ++p) {
    distribute(account.parts[p], fmt::format("dataset-{}-", p), distribution, derived);
    generated.push_back(activity(account.parts[p]));
    parts.push_back(part_of(report["datasets"][p]));
  }
  if (account.parts.empty()) {
    distribute(account, "", distribution, derived);
    generated = activity(account);
  }
  const json licenses = licenses_of(report["sources"]);
  const auto languages = languages_of(report);
  int64_t found = 0;
  for (const auto& [kind, count] : report["privacy"]["found"].items()) found += count.get<int64_t>();
  json all{{"@context", context()},
           {"@type", "sc:Dataset"},
           {"@id", "plumb:" + account.digest},
           {"conformsTo", "http://mlcommons.org/croissant/1.1"},
           {"name", account.name},
           {"description",
            fmt::format("Training data of {} documents and {} tokens, made from {} files",
                        totals.value("kept", int64_t{0}), totals.value("tokens", int64_t{0}), derived.size())},
           {"identifier", account.digest},
           {"url", kOpen},
           {"creator", {{"@type", "sc:Organization"}, {"name", kOpen}}},
           {"datePublished", kOpen},
           {"license", licenses.empty() ? json(kOpen) : licenses},
           {"inLanguage", languages.empty() ? json(kOpen) : json(languages)},
           {"rai:dataPreprocessingProtocol", report["rules"].empty() ? "none" : report["rules"].dump()},
           {"rai:personalSensitiveInformation",
            report["rules"].contains("privacy")
                ? fmt::format("{} values found and handled as the protocol says; counts by kind: {}", found,
                              report["privacy"]["found"].dump())
                : "not looked for"},
           {"wasDerivedFrom", derived},
           {"wasGeneratedBy", generated}};
  if (!parts.empty()) all["hasPart"] = std::move(parts);
  all["distribution"] = std::move(distribution);
  return all;
}

}  // namespace plumb::data
