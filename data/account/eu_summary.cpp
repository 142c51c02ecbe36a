// A draft after the template of the European Commission for the summary of training content (24 July 2025).
#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "data/account/account.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

constexpr const char* kPerson = "_to be stated by the provider_";

// A name from outside as plain text in a table: neither markup nor the end of its line.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += ' ';
    } else if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    } else {
      if (std::string_view("|\\`*[]!~").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out.empty() ? kPerson : out;
}

int64_t count(const json& object, const std::string& key) { return object.value(key, int64_t{0}); }

// The template's bands of text, after preprocessing.
std::string size_band(int64_t tokens) {
  if (tokens < 1'000'000'000) return "less than 1 billion tokens";
  return tokens <= 10'000'000'000'000 ? "1 billion to 10 trillion tokens" : "more than 10 trillion tokens";
}

// The template asks for datasets of at least 3 % of their modality by name, the others together. Of a run the shares
// are those of what it read.
std::string sources_table(const json& report, bool synthetic) {
  const bool joined = report.contains("datasets"), run = report.contains("read");
  const int64_t whole = std::max<int64_t>(1, count(report[run ? "read" : "totals"], "tokens"));
  std::string out;
  for (const auto& source : report["sources"]) {
    if (source.value("synthetic", false) != synthetic) continue;
    const int64_t tokens = count(source, run ? "tokens_read" : "tokens");
    const double share = 100.0 * static_cast<double>(tokens) / static_cast<double>(whole);
    out += fmt::format("| {} |", cell(source.value("name", "")));
    if (joined) out += fmt::format(" {} |", cell(source.value("dataset", "")));
    if (run) out += source.value("replay", false) ? " replay |" : " training |";
    out += fmt::format(" {} | {} | {} |", cell(source.value("license", "")), core::with_commas(count(source, "kept")),
                       core::with_commas(count(source, "tokens")));
    if (run) out += fmt::format(" {} |", core::with_commas(tokens));
    out += fmt::format(" {:.1f} % | {} |\n", share, share >= 3 ? "yes" : "no");
  }
  if (out.empty()) return "None.\n";
  const auto head = fmt::format("| name |{}{} licence | documents | tokens |{} share | large (3 % or more) |\n",
                                joined ? " dataset |" : "", run ? " used for |" : "", run ? " tokens read |" : "");
  std::string line = "|";
  for (auto columns = std::count(head.begin(), head.end(), '|') - 1; columns > 0; --columns) line += "---|";
  return head + line + "\n" + out;
}

// The largest tenth of the domains, as for providers that are no SME.
std::string domains_table(const json& report) {
  json all = report["domains"];  // [domain, documents, bytes], largest first
  if (all.empty()) return "No column `url` stands in the sources, so that no domain is known.\n";
  // Of very many the record keeps the largest: how many a tenth of all would be is then not known.
  const json others = report.value("other_domains", json::array({0, 0}));
  std::string out;
  if (others[0] > 0) {
    out = fmt::format("The {} largest domains; {} documents of smaller ones are not listed.\n\n",
                      core::with_commas(static_cast<int64_t>(all.size())), core::with_commas(others[0].get<int64_t>()));
  } else {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>((all.size() + 9) / 10), all.end());
  }
  out += "| domain | documents | bytes |\n|---|---|---|\n";
  for (const json& row : all) {
    out += fmt::format("| {} | {} | {} |\n", cell(row[0].get<std::string>()), core::with_commas(row[1].get<int64_t>()),
                       core::with_commas(row[2].get<int64_t>()));
  }
  return out;
}

std::string measures(const json& report) {
  const json& rules = report["rules"];
  const json& totals = report["totals"];
  std::string out;
  const auto add = [&](const char* key, const std::string& text) {
    if (rules.contains(key)) out += "- " + text + "\n";
  };
  add("clean",
      fmt::format("Quality and language rules dropped {} documents.", core::with_commas(count(totals, "filtered"))));
  int64_t found = 0;
  for (const auto& [kind, n] : report["privacy"]["found"].items()) found += n.get<int64_t>();
  add("privacy",
      fmt::format("Personal data and secrets were looked for by pattern: {} values found, {} documents dropped.",
                  core::with_commas(found), core::with_commas(count(totals, "personal"))));
  add("decontaminate", fmt::format("Texts of the evaluation sets were looked for: {} documents dropped.",
                                   core::with_commas(count(totals, "contaminated"))));
  add("dedup", fmt::format("{} duplicates were dropped.", core::with_commas(count(totals, "duplicates"))));
  return out.empty() ? "No rule of plumb was switched on.\n" : out;
}

// What the tables are made from.
std::string record_of(const Account& account) {
  const json& report = account.report;
  if (account.parts.empty()) return fmt::format("of dataset\n`{}`", account.digest);
  std::string out = report.contains("read") ? fmt::format("of run {} up to step {}, which read the datasets",
                                                          cell(account.name), core::with_commas(count(report, "steps")))
                                            : "of the datasets";
  for (size_t p = 0; p < account.parts.size(); ++p) {
    const auto& part = account.parts[p];
    out += fmt::format("{}\n{} `{}`", p > 0 ? "," : "", cell(part.name), part.digest);
  }
  return out;
}

}  // namespace

std::string eu_summary(const Account& account) {
  const json& report = account.report;
  const int64_t tokens = count(report["totals"], "tokens");
  std::string out = fmt::format(
      "# Summary of training content (draft)\n\nAfter the template for Art. 53(1)(d) of Regulation (EU) 2024/1689. "
      "Tables "
      "come from the record {}.\nWhat is marked {} no record can attest.\n\n",
      record_of(account), kPerson);
  out += "## 1. General information\n\n| | |\n|---|---|\n";
  for (const char* field : {"Provider", "Authorised representative", "Model and version", "Models it depends on",
                            "Date of placement on the Union market", "Latest date of data acquisition"}) {
    out += fmt::format("| {} | {} |\n", field, kPerson);
  }
  out += fmt::format(
      "| Modality | text |\n| Size after preprocessing | {} ({} tokens, {} documents) |\n| Tokenizer of the count | {} "
      "entries, sha256 {} |\n| Languages | {} |\n| Types of content | {} |\n\n",
      size_band(tokens), core::with_commas(tokens), core::with_commas(count(report["totals"], "kept")),
      count(report["tokenizer"], "vocab_size"), report["tokenizer"].value("digest", ""),
      cell(fmt::format("{}", fmt::join(languages_of(report), ", "))), kPerson);
  if (report.contains("read")) {
    out.pop_back();
    out += fmt::format("| Read in training, in {} positions | {} tokens |\n\n",
                       core::with_commas(count(report["read"], "positions")),
                       core::with_commas(count(report["read"], "tokens")));
  }
  out += "## 2. Data sources\n\nWhether a source below is public, licensed or another private one (2.1, 2.2): " +
         std::string(kPerson) + "\n\n" + sources_table(report, false) + "\n";
  out += "### 2.3 Crawled and scraped data\n\nCrawlers, their purpose and behaviour, period of collection: " +
         std::string(kPerson) + "\n\n" + domains_table(report) + "\n";
  out += "### 2.4 User data\n\n" + std::string(kPerson) +
         "\n\n### 2.5 Synthetic data\n\nModels that made it: " + std::string(kPerson) + "\n\n" +
         sources_table(report, true) + "\n### 2.6 Other\n\n" + kPerson + "\n\n";
  out += "## 3. Data processing\n\n### 3.1 Reservations of rights (text and data mining)\n\n" + std::string(kPerson) +
         "\n\n### 3.2 Removal of illegal content\n\n" + kPerson + "\n\n### 3.3 Other processing\n\n" + measures(report);
  return out;
}

}  // namespace plumb::data
