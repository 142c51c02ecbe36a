#include "data/build/commit.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "data/build/clusters_json.h"
#include "data/build/set_aside.h"
#include "data/shards/manifest.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
constexpr size_t kFirstMalformed = 3;
constexpr size_t kMostContaminated = 100'000;  // documents in contamination.jsonl

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

[[noreturn]] void fail_empty(const BuildRequest& request, const BuildReport& report) {
  if (request.validation && report.held_out == report.documents) {
    fail_input("data.validation_share",
               fmt::format("expected some of {} documents to be held out, found that none is", report.documents),
               "a larger data.validation_share, or data.validation with documents of its own");
  }
  std::string message =
      fmt::format("no sequence came out of {} documents: {} held out, {} malformed, {} empty, {} too long",
                  report.documents, report.held_out, report.malformed, report.empty, report.too_long);
  const int64_t rules = report.filtered + report.personal + report.contaminated + report.duplicates;
  if (rules > 0) message += fmt::format(", {} dropped by data.clean, privacy, decontaminate or dedup", rules);
  if (!report.first_malformed.empty()) message += "; first malformed: " + report.first_malformed[0];
  std::string hint = "check data.sources (path, format, fields)";
  if (report.too_long > 0) hint = "a longer data.sequence_length, packing: concat, or too_long: split for texts";
  fail_input(request.validation ? "data.validation_share" : "data.sources", message, hint);
}

// Summed over parts: of one source, or of all.
struct Sums {
  BuildReport report;
  ReadCounts read;
  int64_t exact = 0, near = 0, repeated = 0;  // of report.duplicates

  void add(const PartResult& part, const ReadCounts& counts) {
    report += part.report, read += counts;
    exact += part.exact, near += part.near, repeated += part.repeated;
  }
};

// Documents by rule: the lines of dropped.jsonl.
json dropped_by_rule(const Sums& sums) {
  std::map<std::string, int64_t> rules = sums.read.clean.dropped;
  for (const auto& [kind, documents] : sums.read.privacy.dropped) rules["privacy." + kind] = documents;
  rules["contaminated"] = sums.read.contaminated;
  rules["exact"] = sums.exact, rules["near"] = sums.near, rules["repeated"] = sums.repeated;
  rules["empty"] = sums.report.empty, rules["too_long"] = sums.report.too_long;
  std::erase_if(rules, [](const auto& rule) { return rule.second == 0; });
  return rules;
}

json source_json(const config::Source& source, const Corpus& corpus, size_t number, const Sums& sums) {
  json entry{{"name", source_name(source)}, {"format", source.format}};
  if (!source.license.empty()) entry["license"] = source.license;
  if (!source.language.empty()) entry["language"] = source.language;
  entry["synthetic"] = source.synthetic;
  uint64_t files = 0, bytes = 0;
  for (const auto& file : corpus.plan().files) {
    if (file.source == number) ++files, bytes += file.file.bytes;
  }
  entry["files"] = files;
  entry["bytes_on_disk"] = bytes;
  entry["bytes_read"] = sums.read.bytes;
  entry.update(sums.report.json());
  entry.erase("held_out_by");
  entry.erase("first_malformed");
  entry["dropped"] = dropped_by_rule(sums);
  return entry;
}

json account_of(const BuildRequest& request, const Tokenizer& tokenizer, const Corpus& corpus,
                const std::vector<Sums>& sources, const Sums& all, const Shape& shape, std::vector<json> contaminated) {
  json account{{"format", "plumb-report-1"},
               {"part", request.validation_share == 0 ? "all"
                        : request.validation          ? "validation"
                                                      : "train"},
               {"totals", all.report.json()},
               {"dropped", dropped_by_rule(all)},
               {"sequence_length", request.sequence_length},
               {"packing", request.packing},
               {"tokenizer", {{"digest", tokenizer.digest()}, {"vocab_size", tokenizer.vocab_size()}}},
               {"rules", corpus.identity()["rules"]}};
  account["sources"] = json::array();
  for (size_t s = 0; s < sources.size(); ++s) {
    if (request.only_source && *request.only_source != s) continue;
    account["sources"].push_back(source_json(request.sources[s], corpus, s, sources[s]));
  }
  account.update(report_sections(all.read, shape));
  if (!corpus.contamination().is_null()) {
    account["decontamination"]["looked_for"] = corpus.contamination();
    account["decontamination"]["documents_listed"] = contaminated.size();
    keep_largest(contaminated, kLargestContaminated);
    account["decontamination"]["largest"] = std::move(contaminated);
  }
  account["duplicates"] = {{"exact", all.exact}, {"near", all.near}, {"repeated", all.repeated}};
  if (const auto clusters = corpus.duplicates()) {
    account["duplicates"]["clusters"] = clusters->json();
    account["duplicates"]["largest"] = largest_clusters(corpus);
  }
  if (const auto passages = corpus.repeated_passages()) account["duplicates"]["passages"] = passages->json();
  return account;
}

HashedFile write_sources(const fs::path& folder, const BuildRequest& request, const Corpus& corpus) {
  HashedWriter writer(folder, "sources.jsonl");
  for (const auto& file : corpus.plan().files) {
    json line{{"source", source_name(request.sources[file.source])}, {"name", file.name}, {"bytes", file.file.bytes}};
    // Of an object in a store no hash of its bytes was made: it was never fetched as a whole to be planned.
    file.file.version.empty() ? line["sha256"] = file.sha256 : line["version"] = file.file.version;
    writer.write(dump(line) + "\n");
  }
  return writer.finish();
}

// Malformed rows of all chunks, in reading and in tokenising, until `take` gives false.
void visit_malformed(const Corpus& corpus, const TokenPhase& phase,
                     const std::function<bool(const std::string& line)>& take) {
  bool more = true;
  const auto guarded = [&](const std::string& line) { return more = take(line); };
  for (const size_t chunk : phase.chunks()) {
    if (more) corpus.malformed(chunk, guarded);
    if (more) phase.malformed(chunk, guarded);
  }
}

HashedFile write_quarantine(const fs::path& folder, const Corpus& corpus, const TokenPhase& phase) {
  HashedWriter writer(folder, "quarantine.jsonl");
  visit_malformed(corpus, phase, [&](const std::string& line) { return writer.write(line + "\n"), true; });
  return writer.finish();
}

HashedFile write_dropped(const fs::path& folder, const Corpus& corpus, const TokenPhase& phase) {
  HashedWriter writer(folder, "dropped.jsonl");
  const auto write = [&](const std::string& line) { return writer.write(line + "\n"), true; };
  for (const size_t chunk : phase.chunks()) corpus.dropped(chunk, write), phase.dropped(chunk, write);
  return writer.finish();
}

HashedFile write_contaminated(const fs::path& folder, const std::vector<json>& documents) {
  HashedWriter writer(folder, "contamination.jsonl");
  for (const auto& document : documents) writer.write(dump(document) + "\n");
  return writer.finish();
}

// What says that a part is whole goes first: a build that is killed in between makes that part again, instead of
// missing what stood beside it.
void remove_others(const fs::path& folder, const std::set<std::string>& wanted) {
  std::error_code gone;
  for (const bool marks : {true, false}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (wanted.count(entry.path().filename().string())) continue;
      if (!marks || entry.path().extension() == ".json") fs::remove(entry.path(), gone);
    }
    core::sync_folder(folder);
  }
}

}  // namespace

Assembled assemble(const BuildRequest& request, const Tokenizer& tokenizer, const Corpus& corpus,
                   const TokenPhase& phase) {
  Assembled all;
  std::vector<Sums> sources(request.sources.size());
  Sums sums;
  Shape shape;
  for (const size_t chunk : phase.chunks()) {
    auto part = phase.result(chunk);
    const auto read = corpus.counts(chunk);
    sources[corpus.chunks()[chunk].source].add(part, read), sums.add(part, read);
    shape += part.shape;
    for (auto& document : corpus.contaminated(chunk)) all.contaminated.push_back(std::move(document));
    if (all.contaminated.size() >= 2 * kMostContaminated) keep_largest(all.contaminated, kMostContaminated);
    if (part.documents == 0) continue;
    all.parts.push_back({chunk, part.documents, part.tokens, part.rows, part.spans});
    for (auto& file : part.files) all.files.push_back(std::move(file));
  }
  auto& report = sums.report;
  report.held_out_by = phase.held_out().rule();
  report.first_invalid_utf8 = sums.read.first_invalid_utf8;
  visit_malformed(corpus, phase, [&](const std::string& line) {
    report.first_malformed.push_back(malformed_said(line));
    return report.first_malformed.size() < kFirstMalformed;
  });
  if (report.kept == 0) fail_empty(request, report);
  if (request.packing == "concat") {
    const auto rows = concat_rows(static_cast<uint64_t>(report.tokens), request.sequence_length);
    report.ledger.positions = rows * request.sequence_length;
    // The last token of all has no position of its own, but is a label.
    report.ledger.padding = std::max<int64_t>(0, report.ledger.positions - (report.tokens - 1));
  }
  keep_largest(all.contaminated, kMostContaminated);
  all.account = account_of(request, tokenizer, corpus, sources, sums, shape, all.contaminated);
  all.report = std::move(sums.report);
  return all;
}

void commit_dataset(const fs::path& building, const fs::path& final_name, Assembled&& all, const BuildRequest& request,
                    const Tokenizer& tokenizer, const Corpus& corpus, const TokenPhase& phase, const json& identity) {
  all.files.push_back(write_sources(building, request, corpus));
  all.files.push_back(write_hashed(building, "report.json", dump(all.account) + "\n"));
  all.files.push_back(write_quarantine(building, corpus, phase));
  all.files.push_back(write_dropped(building, corpus, phase));
  if (!corpus.contamination().is_null()) all.files.push_back(write_contaminated(building, all.contaminated));
  for (const auto& [name, text] : tokenizer_files(tokenizer)) all.files.push_back(write_hashed(building, name, text));
  json content = identity;
  content["vocab_size"] = tokenizer.vocab_size();
  content["token_bytes"] = token_width(tokenizer.vocab_size());
  content["weights"] = any_chat(request);
  content["report"] = all.report.json();
  write_manifest(building, std::move(content), all.parts, all.files);
  std::set<std::string> wanted{"manifest.json", "blocks.bin"};
  for (const auto& file : all.files) wanted.insert(file.name);
  remove_others(building, wanted);
  core::commit_folder(building, final_name);
}

}  // namespace plumb::data
