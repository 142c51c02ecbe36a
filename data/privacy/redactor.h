// Personal data and secrets in texts: found by exact rules in one pass, then replaced, hashed with a key, or the
// document is dropped. What was found is counted by kind; a value itself never leaves this folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "core/config/privacy.h"

namespace plumb::data {

struct PrivacyCounts {
  std::map<std::string, int64_t> found;    // by kind, in dropped documents too
  std::map<std::string, int64_t> dropped;  // documents by the kind that decided: the first in their text
  int64_t documents_changed = 0, documents_dropped = 0;
  PrivacyCounts& operator+=(const PrivacyCounts&);
  nlohmann::ordered_json json() const;
  static PrivacyCounts from_json(const nlohmann::ordered_json&);
};

class Redactor {
 public:
  // Reads the key of action hash: Error(bad_input) when it is missing, short, or readable by others.
  explicit Redactor(const config::PrivacySection&);
  ~Redactor();
  Redactor(Redactor&&) noexcept;
  bool active() const;
  nlohmann::ordered_json identity() const;  // everything that changes its output; of the key only a keyed tag

  // False: drop the document, for the sake of a value of `kind`; its text is then as it was. Thread-safe.
  bool redact(std::string& text, PrivacyCounts&, std::string* kind = nullptr) const;
  // Several texts of one document.
  bool redact(std::span<std::string* const> texts, PrivacyCounts&, std::string* kind = nullptr) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace plumb::data
