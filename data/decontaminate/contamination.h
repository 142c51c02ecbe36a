// Evaluation items that stand in training documents: found by n-grams of words, compared word by word (a hash alone
// decides nothing), as spans of the document with the share of the item that they cover.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/config.h"

namespace plumb::data {

// One text per evaluation item: prompt, then answer.
struct NamedTexts {
  std::string name;
  std::vector<std::string> texts;
};

// A run of words of a document that stands in an item too.
struct Hit {
  uint32_t set = 0, item = 0;   // Contamination::set_name(set), number of the item in it
  uint32_t begin = 0, end = 0;  // bytes of the document as it was given
  uint32_t words = 0, ngrams = 0;
  float share = 0;  // of the item's words that the whole document covers
};

// A document that holds items. Of its hits the ones with the most n-grams, in the order of the text.
struct ContaminatedDocument {
  static constexpr size_t most_hits = 16;
  std::string where, source, outcome;  // "file:line"; reported masked dropped
  int64_t spans = 0, ngrams = 0;       // of all hits
  struct Place {
    std::string set;
    Hit hit;
  };
  std::vector<Place> places;
  nlohmann::ordered_json json() const;
};

// Leaves the `most` with the most n-grams, in the order they had.
void keep_largest(std::vector<nlohmann::ordered_json>& documents, size_t most);

struct ContaminationCounts {
  int64_t reported = 0, masked = 0, dropped = 0;  // documents
  int64_t spans = 0, bytes_removed = 0;
  std::map<std::string, std::map<std::string, std::set<uint32_t>>> items;  // set -> source -> contaminated items
  ContaminationCounts& operator+=(const ContaminationCounts&);
  nlohmann::ordered_json json() const;
  static ContaminationCounts from_json(const nlohmann::ordered_json&);
};

class Contamination {
 public:
  // Error(out_of_resources) when the index would not fit its bound.
  Contamination(const config::DecontaminateSection&, const std::vector<NamedTexts>& sets);
  ~Contamination();
  Contamination(Contamination&&) noexcept;
  bool active() const;
  nlohmann::ordered_json identity() const;  // digests of the sets among others
  // What was indexed, by set: items, items too short to be looked for, n-grams that are the set's template.
  nlohmann::ordered_json summary() const;
  const std::string& set_name(uint32_t set) const;

  enum class Outcome { clean, reported, masked, dropped };
  // masked: the spans are gone from the text and a blank line stands in their place. Appends to hits. Thread-safe.
  Outcome check(std::string& text, std::string_view source, ContaminationCounts&, std::vector<Hit>&) const;
  // The texts of one conversation, looked at as one text joined by newlines (hits count bytes of that). Answers cannot
  // lose words, so action mask drops here.
  Outcome check(std::span<const std::string_view> parts, std::string_view source, ContaminationCounts&,
                std::vector<Hit>&) const;
  ContaminatedDocument describe(std::string where, std::string source, Outcome, std::vector<Hit>) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// The texts of eval.sets and data.decontaminate.sets: question and answer of each item, in file order. A malformed row
// is an error: it would be an item nobody looks for.
std::vector<NamedTexts> evaluation_texts(const config::Config&);

}  // namespace plumb::data
