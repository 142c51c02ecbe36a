// `data.privacy`: personal data and secrets in documents. Off by default.
#pragma once

#include <string>
#include <vector>

namespace plumb::config {

struct PrivacySection {
  std::string action = "none";                   // none replace hash drop
  std::vector<std::string> kinds;                // what `action` is for; empty: all
  std::vector<std::string> replace, hash, drop;  // kinds with an action of their own
  std::string key;                               // file with the key of action hash, absolute
};

// The kinds that are told apart, as the keys above write them, split by spaces.
inline constexpr const char* privacy_kind_words =
    "email ipv4 ipv6 phone kr_rrn kr_frn kr_brn kr_driver_license kr_passport card iban secret";

}  // namespace plumb::config
