// The account of a dataset, made from what its build recorded: a page for people, JSON-LD for catalogues
// (Croissant 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, with PROV-O), and a draft of the
// European Union's summary of training content (AI Act, Art. 53(1)(d), template of 24 July 2025). Nothing is measured
// again.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace plumb::data {

struct Account {
  std::string name;                           // of the dataset's folder
  std::string digest;                         // Merkle root
  nlohmann::ordered_json report;              // report.json (docs/formats.md)
  std::vector<nlohmann::ordered_json> files;  // sources.jsonl: source, name, bytes, sha256
};

Account read_account(const Dataset& dataset);

// One page without scripts or anything fetched; numbers, and the histogram of lengths as a picture.
std::string report_html(const Account& account);
nlohmann::ordered_json croissant(const Account& account);
// Markdown. Tables are filled; what only a person can attest is marked so and left open.
std::string eu_summary(const Account& account);

}  // namespace plumb::data
