// The account of a dataset, or of all datasets of a run, made from what their builds recorded: a page for people,
// JSON-LD for catalogues (Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, with
// PROV-O), and a draft of the European Union's summary of training content (AI Act, Art. 53(1)(d), template of 24 July
// 2025). Nothing is measured again.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace plumb::data {

struct Account {
  std::string name;                           // of the dataset's folder; of several datasets what joins them
  std::string digest;                         // Merkle root; of several datasets the SHA-256 of theirs, a line each
  nlohmann::ordered_json report;              // report.json (docs/formats.md)
  std::vector<nlohmann::ordered_json> files;  // sources.jsonl: source, name, bytes, sha256
  std::vector<Account> parts = {};            // several datasets: each of them; its files stand there
};

Account read_account(const Dataset& dataset);

// One of several datasets, and what a run read of it.
struct AccountPart {
  DatasetPtr dataset;
  std::string name;  // empty: that of its folder
  bool replay = false;
  struct Read {
    int64_t rows = 0;
    std::map<std::string, int64_t> tokens;  // that had a position, by name of source
  };
  std::optional<Read> read = {};
};
// Of a run so many steps, and `read` of every part; else no steps. Error(bad_input) when they do not add up: other
// tokenizers, a dataset twice, one that was held out of another.
Account join_accounts(const std::string& name, std::optional<int64_t> steps, const std::vector<AccountPart>& parts);

// What the sources state and data.clean found, sorted.
std::set<std::string> languages_of(const nlohmann::ordered_json& report);

// One page without scripts or anything fetched; numbers, and the histogram of lengths as a picture.
std::string report_html(const Account& account);
nlohmann::ordered_json croissant(const Account& account);
// Markdown. Tables are filled; what only a person can attest is marked so and left open.
std::string eu_summary(const Account& account);

}  // namespace plumb::data
