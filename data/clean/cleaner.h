// A document before it becomes tokens: repaired, normalised, its language known, judged by published rules.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/config/clean.h"

namespace plumb::data {

class Segmenter;

struct CleanResult {
  bool kept = true;
  std::string rule = {};      // why it was dropped: "gopher_quality.min_words"; "" when kept
  std::string language = {};  // "en", "ko", "zh-Hant", ... or "und" when not certain; "" when nothing is active
  float language_score = 0;   // share of the text's letters in that language, 0 for "und"
  nlohmann::ordered_json found = {}, limit = {};  // what was measured for the rule, its threshold; null: no figure
};

// What cleaning did. Adds up over documents in any order.
struct CleanCounts {
  std::map<std::string, int64_t> repairs;        // occurrences, "mojibake" lines, "nfc" and "nfkc" documents
  std::map<std::string, int64_t> lines_removed;  // by reason: "c4.javascript"
  std::map<std::string, int64_t> dropped;        // documents by rule: "gopher_quality.min_words"
  std::map<std::string, int64_t> languages;      // documents, dropped ones too

  CleanCounts& operator+=(const CleanCounts&);
  bool operator==(const CleanCounts&) const = default;
  nlohmann::ordered_json json() const;
  static CleanCounts from_json(const nlohmann::ordered_json&);  // Error(bad_input) on anything json() does not write
};

class Cleaner {
 public:
  // Error(bad_input) for a language or stop word that cannot be.
  explicit Cleaner(const config::CleanSection&);
  ~Cleaner();
  Cleaner(const Cleaner&) = delete;
  Cleaner& operator=(const Cleaner&) = delete;

  bool active() const;
  // Everything that changes what comes out: settings in effect, built-in lists, library versions. Keys datasets.
  nlohmann::ordered_json identity() const;

  // Thread-safe. `text` is changed where rules change it, also when it is dropped in the end.
  CleanResult clean(std::string& text, CleanCounts&) const;
  // Of a chat message: repair and normal form only.
  void normalize(std::string& text, CleanCounts&) const;

  // The rules alone, on a text as it is, of a known language, with somebody else's words and sentences.
  CleanResult judge(std::string& text, const std::string& language, const Segmenter&, CleanCounts&) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
