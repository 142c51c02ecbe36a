#include <fmt/format.h>

#include <algorithm>

#include "data/account/account.h"
#include "data/account/html.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;
constexpr size_t kMostRows = 30;
constexpr size_t kMostSources = 10;  // of one rule
constexpr size_t kMostHits = 200;

int64_t count(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<int64_t>() : 0;
}

// Counts by name, the largest first; zero is left out.
std::vector<std::pair<std::string, int64_t>> largest(const json& counts) {
  std::vector<std::pair<std::string, int64_t>> all;
  for (const auto& [name, value] : counts.items()) {
    if (value.is_number() && value.get<int64_t>() != 0) all.emplace_back(name, value.get<int64_t>());
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return all;
}

std::string counts_table(const std::string& what, const std::string& unit, const json& counts) {
  Rows rows = {{what, unit}};
  for (const auto& [name, value] : largest(counts)) {
    rows.push_back({name, html::number(value)});
    if (rows.size() > kMostRows) break;
  }
  return html::table(rows);
}

// Of `rows`, each of name, documents, bytes and largest first, the first ones, and the rest as one with `rest`.
std::string amounts_table(const std::string& what, const json& rows, int64_t documents,
                          const json& rest = json::array({0, 0})) {
  Rows table = {{what, "documents", "share", "bytes"}};
  int64_t rest_documents = rest[0].get<int64_t>(), rest_bytes = rest[1].get<int64_t>();
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto name = rows[i][0].get<std::string>();
    const auto n = rows[i][1].get<int64_t>(), bytes = rows[i][2].get<int64_t>();
    if (i < kMostRows) {
      table.push_back(
          {name.empty() ? "(not stated)" : name, html::number(n), html::share(n, documents), html::number(bytes)});
    } else {
      rest_documents += n, rest_bytes += bytes;
    }
  }
  if (rest_documents > 0) {
    table.push_back(
        {"others", html::number(rest_documents), html::share(rest_documents, documents), html::number(rest_bytes)});
  }
  return html::table(table);
}

// {name: [documents, bytes]} as such rows.
json largest_first(const json& amounts) {
  std::vector<json> rows;
  for (const auto& [name, amount] : amounts.items()) rows.push_back({name, amount[0], amount[1]});
  std::stable_sort(rows.begin(), rows.end(), [](const json& a, const json& b) { return a[2] > b[2]; });
  return rows;
}

std::string documents_table(const json& totals, const std::string& part) {
  const char* other = part == "validation" ? "in the other part (training)" : "in the other part (validation)";
  const int64_t read = count(totals, "documents");
  Rows rows = {{"documents", "", "share"}, {"read", html::number(read), ""}};
  const std::pair<const char*, const char*> kinds[] = {{"kept", "kept"},
                                                       {"held_out", other},
                                                       {"malformed", "malformed, in quarantine"},
                                                       {"filtered", "dropped by data.clean"},
                                                       {"personal", "dropped by data.privacy"},
                                                       {"contaminated", "dropped by data.decontaminate"},
                                                       {"duplicates", "duplicates"},
                                                       {"empty", "empty"},
                                                       {"too_long", "longer than a sequence"}};
  for (const auto& [key, name] : kinds) {
    if (const int64_t n = count(totals, key); n > 0 || std::string_view(key) == "kept") {
      rows.push_back({name, html::number(n), html::share(n, read)});
    }
  }
  return html::table(rows);
}

std::string malformed_table(const json& totals) {
  Rows rows = {{"the first malformed ones: where, and why"}};
  for (const auto& said : totals.value("first_malformed", json::array())) {
    if (said.is_string() && rows.size() <= kMostRows) rows.push_back({said.get<std::string>()});
  }
  return html::table(rows);
}

// By rule, and of each rule the sources with the most documents that fell to it.
std::string dropped_part(const json& report) {
  const int64_t read = count(report["totals"], "documents");
  const bool several = report["sources"].size() > 1;
  Rows rows = {{"rule", "source", "documents", "share"}};
  int64_t dropped = 0;
  for (const auto& [rule, documents] : largest(report["dropped"])) {
    dropped += documents;
    if (rows.size() > kMostRows * kMostSources) continue;
    rows.push_back({rule, several ? "all" : "", html::number(documents), html::share(documents, read)});
    std::vector<std::pair<int64_t, const json*>> sources;
    for (const auto& source : report["sources"]) {
      const auto found = source.find("dropped");
      const int64_t of_source = found == source.end() ? 0 : count(*found, rule);
      if (several && of_source > 0) sources.emplace_back(of_source, &source);
    }
    std::stable_sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (size_t i = 0; i < std::min(sources.size(), kMostSources); ++i) {
      const auto& [of_source, source] = sources[i];
      rows.push_back({rule, source->value("name", ""), html::number(of_source),
                      html::share(of_source, count(*source, "documents"))});
    }
  }
  if (dropped == 0) return "";
  return "<p>dropped.jsonl in the dataset names each of these " + html::number(dropped) +
         " documents (file and line) with its rule and what was measured; quarantine.jsonl the malformed rows.</p>\n" +
         html::table(rows, 2);
}

std::string tokens_table(const json& totals) {
  const json& ledger = totals["ledger"];
  const int64_t in = count(ledger, "in");
  Rows rows = {{"tokens", "", "share"}, {"in", html::number(in), ""}};
  const std::pair<const char*, const char*> kinds[] = {{"trained", "trained on"},
                                                       {"masked", "read without a loss (prompts)"},
                                                       {"first", "first of their document: nothing precedes them"},
                                                       {"too_long", "of documents that were dropped as too long"}};
  for (const auto& [key, name] : kinds) {
    rows.push_back({name, html::number(count(ledger, key)), html::share(count(ledger, key), in)});
  }
  rows.push_back({"positions of all sequences", html::number(count(ledger, "positions")), ""});
  rows.push_back({"of these padding", html::number(count(ledger, "padding")),
                  html::share(count(ledger, "padding"), count(ledger, "positions"))});
  return html::table(rows);
}

// Met by data.clean, or by the tokenizer where nothing cleans.
std::string invalid_utf8_part(const json& totals, const json& clean) {
  const auto first = totals.value("first_invalid_utf8", "");
  return first.empty() ? ""
                       : "<p>" + html::number(count(totals, "invalid_utf8") + count(clean["repairs"], "invalid_utf8")) +
                             " sequences, the first in " + html::escaped(first) + ".</p>\n";
}

// Of several datasets, with what a run read of each.
std::string datasets_table(const json& report) {
  if (!report.contains("datasets")) return "";
  Rows rows = {{"dataset", "digest", "used for", "documents", "tokens", "sequences"}};
  const bool run = report.contains("read");
  if (run) {
    for (const char* heading : {"sequences read", "epochs", "tokens read", "share"}) rows[0].push_back(heading);
  }
  for (const auto& dataset : report["datasets"]) {
    rows.push_back({dataset.value("name", ""), dataset.value("digest", ""),
                    dataset.value("replay", false) ? "replay" : "training", html::number(count(dataset, "documents")),
                    html::number(count(dataset, "tokens")), html::number(count(dataset, "rows"))});
    if (!run) continue;
    const json& read = dataset["read"];
    for (auto& cell :
         {html::number(count(read, "rows")), fmt::format("{:.2f}", read.value("epochs", 0.0)),
          html::number(count(read, "tokens")), html::share(count(read, "tokens"), count(report["read"], "tokens"))}) {
      rows.back().push_back(cell);
    }
  }
  return html::table(rows, 3);
}

std::string sources_table(const json& report) {
  Rows rows = {{"source", "licence", "language", "synthetic"}};
  const bool joined = report.contains("datasets"), run = report.contains("read");
  if (joined) rows[0].push_back("dataset");
  for (const char* heading : {"files", "bytes on disk", "documents", "kept", "tokens"}) rows[0].push_back(heading);
  if (run) rows[0].push_back("tokens read"), rows[0].push_back("share");
  for (const auto& source : report["sources"]) {
    auto& row = rows.emplace_back();
    row = {source.value("name", ""), source.value("license", "not stated"), source.value("language", ""),
           source.value("synthetic", false) ? "yes" : "no"};
    if (joined) row.push_back(source.value("dataset", ""));
    for (const char* key : {"files", "bytes_on_disk", "documents", "kept", "tokens"}) {
      row.push_back(html::number(count(source, key)));
    }
    if (!run) continue;
    row.push_back(html::number(count(source, "tokens_read")));
    row.push_back(html::share(count(source, "tokens_read"), count(report["read"], "tokens")));
  }
  return html::table(rows, joined ? 5 : 4);
}

// Entry k counts documents of 2^k to 2^(k+1) - 1.
std::string lengths_picture(const json& counts, const std::string& unit) {
  size_t first = counts.size(), last = 0;
  for (size_t k = 0; k < counts.size(); ++k) {
    if (counts[k].get<int64_t>() > 0) first = std::min(first, k), last = k;
  }
  std::vector<html::Bar> bars;
  static constexpr const char* kUnits[] = {"", "Ki", "Mi", "Gi", "Ti"};
  for (size_t k = first; k <= last && k < counts.size(); ++k) {
    bars.push_back(
        {fmt::format("{}{}", 1u << (k % 10), kUnits[std::min<size_t>(k / 10, 4)]), counts[k].get<int64_t>()});
  }
  return html::bars(bars, "Documents kept by length: from so many " + unit + " to just below twice as many");
}

std::string passed_over_part(const json& sources) {
  Rows rows = {{"source", "files", "the first of them"}};
  for (const auto& source : sources) {
    std::string names;
    for (size_t i = 0; i < std::min(source["first"].size(), kMostRows); ++i) {
      names += (i > 0 ? ", " : "") + source["first"][i].get<std::string>();
    }
    rows.push_back({source.value("source", ""), html::number(count(source, "files")), names});
  }
  return html::table(rows, 1);
}

std::string largest_clusters_table(const json& clusters) {
  Rows rows = {{"largest clusters: kept", "dropped, the first of them", "documents"}};
  for (const auto& cluster : clusters) {
    if (rows.size() > kMostRows) break;
    std::string dropped;
    for (const auto& place : cluster.value("dropped", json::array())) {
      dropped += (dropped.empty() ? "" : ", ") + place.get<std::string>();
    }
    rows.push_back({cluster.value("kept", ""), dropped, html::number(count(cluster, "size"))});
  }
  return html::table(rows, 2);
}

std::string duplicates_part(const json& duplicates) {
  std::string out = counts_table("duplicates", "documents dropped",
                                 {{"exact copies", count(duplicates, "exact")},
                                  {"near copies (MinHash)", count(duplicates, "near")},
                                  {"nothing left beside repeated passages", count(duplicates, "repeated")}});
  for (const char* key : {"clusters", "passages"}) {
    if (!duplicates.contains(key) || !duplicates[key].is_object()) continue;
    out += counts_table(key, "count", duplicates[key]);
  }
  return out + largest_clusters_table(duplicates.value("largest", json::array()));
}

// What was looked for, and how much of it stands in which source.
std::string contaminated_items(const json& contamination) {
  Rows rows = {{"evaluation set", "source", "items", "too short to look for", "found"}};
  const auto add = [&](const std::string& set, const std::string& source, const json& looked, const json& found) {
    const auto number = [](const json& object, const char* key) {
      return object.contains(key) ? html::number(count(object, key)) : "";
    };
    rows.push_back({set, source, number(looked, "items"), number(looked, "too_short"),
                    html::number(count(found, "contaminated_items"))});
  };
  const json& all_found = contamination["sets"];
  for (const auto& [set, looked] : contamination["looked_for"].items()) {
    const json found = all_found.value(set, json::object());
    add(set, "all", looked, found);
    if (!found.contains("by_source")) continue;
    for (const auto& [source, items] : found["by_source"].items()) add(set, source, json::object(), items);
  }
  return html::table(rows, 2);
}

std::string contaminated_documents(const json& contamination) {
  Rows rows = {{"document", "source", "was", "evaluation set", "item", "bytes", "n-grams", "share of the item"}};
  for (const auto& document : contamination.value("largest", json::array())) {
    for (const auto& hit : document["largest"]) {
      if (rows.size() > kMostHits) break;
      rows.push_back({document.value("where", ""), document.value("source", ""), document.value("outcome", ""),
                      hit.value("set", ""), html::number(count(hit, "item")),
                      fmt::format("{} to {}", count(hit, "begin"), count(hit, "end")),
                      html::number(count(hit, "ngrams")), fmt::format("{:.0f} %", 100 * hit.value("share", 0.0))});
    }
  }
  const auto found = count(contamination, "documents_reported") + count(contamination, "documents_masked") +
                     count(contamination, "documents_dropped");
  const auto table = html::table(rows, 4);
  return table.empty() ? ""
                       : "<p>Of " + html::number(found) +
                             " documents those with the most n-grams, bytes counted in the document as it was before "
                             "masking; contamination.jsonl in the dataset has " +
                             html::number(count(contamination, "documents_listed")) + ".</p>\n" + table;
}

std::string contamination_part(const json& contamination) {
  if (!contamination.contains("looked_for")) return "";
  static constexpr std::pair<const char*, const char*> kinds[] = {
      {"documents_reported", "documents left as they are"},
      {"documents_masked", "documents with words taken out"},
      {"documents_dropped", "documents dropped"},
      {"spans", "passages"},
      {"bytes_removed", "bytes taken out"}};
  Rows rows = {{"found", "count"}};
  for (const auto& [key, name] : kinds) rows.push_back({name, html::number(count(contamination, key))});
  return contaminated_items(contamination) + html::table(rows) + contaminated_documents(contamination);
}

std::string title_of(const Account& account) {
  if (account.parts.empty()) return "Dataset " + account.name;
  return account.report.contains("read") ? "Training data of " + account.name
                                         : fmt::format("{} datasets", account.parts.size());
}

std::string heading(const Account& account) {
  const json& report = account.report;
  std::string about = fmt::format("part {}, sequences of {}, packing {}, vocabulary {}", report.value("part", ""),
                                  report.value("sequence_length", 0), report.value("packing", ""),
                                  report["tokenizer"].value("vocab_size", 0));
  if (report.contains("read")) {
    about = fmt::format("{} steps read {} tokens in {} positions; all else below counts each dataset once",
                        html::number(count(report, "steps")), html::number(count(report["read"], "tokens")),
                        html::number(count(report["read"], "positions")));
  } else if (!account.parts.empty()) {
    about = "each dataset counted once";
  }
  return "<h1>" + html::escaped(title_of(account)) + "</h1>\n<p class=d>digest " + html::escaped(account.digest) +
         "<br>" + html::escaped(about) + "</p>\n";
}

}  // namespace

std::string report_html(const Account& account) {
  const json& report = account.report;
  const json& totals = report["totals"];
  const int64_t kept = count(totals, "kept");
  std::string body = heading(account) + html::section("Datasets", datasets_table(report));
  body += html::section("Documents", documents_table(totals, report.value("part", "")) + malformed_table(totals));
  body += html::section("Tokens", tokens_table(totals));
  body += html::section("Bytes that are no UTF-8, read as U+FFFD", invalid_utf8_part(totals, report["clean"]));
  body += html::section("Sources", sources_table(report));
  body += html::section("Lengths", lengths_picture(report["lengths"]["tokens"], "tokens") +
                                       lengths_picture(report["lengths"]["bytes"], "bytes"));
  body += html::section("Files of kinds that are not read", passed_over_part(report["passed_over"]));
  const json& clean = report["clean"];
  body += html::section("Dropped by rule", dropped_part(report));
  body += html::section("Lines removed", counts_table("reason", "lines", clean["lines_removed"]));
  body += html::section("Repairs", counts_table("repair", "times", clean["repairs"]));
  body += html::section("Left out by readers", counts_table("kind", "bytes", report["left_out"]));
  body += html::section("Languages",
                        amounts_table("language", largest_first(report["languages"]), kept) +
                            amounts_table("language as its source states it",
                                          largest_first(report.value("stated_languages", json::object())), kept));
  body += html::section("Personal data and secrets, never their values",
                        counts_table("kind", "found", report["privacy"]["found"]));
  body += html::section("Duplicates", duplicates_part(report["duplicates"]));
  body += html::section("Evaluation sets in the documents", contamination_part(report["decontamination"]));
  body += html::section("Domains", amounts_table("domain", report["domains"], kept, report["other_domains"]));
  if (!report["rules"].empty()) {
    body += html::section("Settings", "<pre>" + html::escaped(report["rules"].dump(2)) + "</pre>\n");
  }
  return html::page(title_of(account), body);
}

}  // namespace plumb::data
