// What is counted while a dataset is built, in pieces that add up.
#pragma once

#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "data/clean/cleaner.h"
#include "data/dataset.h"
#include "data/decontaminate/contamination.h"
#include "data/privacy/redactor.h"

namespace plumb::data {

inline constexpr size_t kLargestContaminated = 100;  // contaminated documents that a report names

// Reading: what became of rows before a tokenizer saw them.
struct ReadCounts {
  int64_t documents = 0;  // rows read = malformed + filtered + personal + contaminated + empty + stored
  int64_t malformed = 0, filtered = 0, personal = 0, contaminated = 0, empty = 0, stored = 0;
  int64_t bytes = 0;                        // of text as it was read
  std::map<std::string, int64_t> left_out;  // bytes by kind: what readers of html and pdf took out
  std::string first_invalid_utf8;           // as in BuildReport
  CleanCounts clean;
  PrivacyCounts privacy;
  ContaminationCounts contamination;
  ReadCounts& operator+=(const ReadCounts&);
  nlohmann::ordered_json json() const;
  static ReadCounts from_json(const nlohmann::ordered_json&);
};

// Tokenising: the documents that are trained on, as a picture.
struct Shape {
  struct Amount {
    int64_t documents = 0, bytes = 0;
  };
  static constexpr size_t kMostDomains = 100'000;
  std::map<std::string, Amount> languages;         // found by data.clean
  std::map<std::string, Amount> stated_languages;  // of all others, what their source says of itself; "": nothing
  std::map<std::string, Amount> domains;           // the largest ones, the rest in `other_domains`
  Amount other_domains;
  std::array<int64_t, 48> bytes{}, tokens{};  // [k]: documents of 2^k to 2^(k+1) - 1
  void add(const std::string& language, const std::string& stated_language, const std::string& domain,
           int64_t text_bytes, int64_t token_count);
  Shape& operator+=(const Shape&);
  nlohmann::ordered_json json() const;
  static Shape from_json(const nlohmann::ordered_json&);

 private:
  void bound();
};

// The sections of report.json that are made of these, each of them there however little was counted.
nlohmann::ordered_json report_sections(const ReadCounts&, const Shape&);

BuildReport& operator+=(BuildReport&, const BuildReport&);

// The part of a URL that somebody registered: example.co.kr of https://www.example.co.kr/x. Known are the two-level
// suffixes that occur most; "" when there is no host.
std::string registrable_domain(std::string_view url);

}  // namespace plumb::data
