// What a value of each kind looks like. A rule looks at one place and says how far the value goes; the finder asks the
// rules at every place where a value could begin.
#pragma once

#include <optional>
#include <string_view>

#include "data/privacy/kinds.h"
#include "data/privacy/number_run.h"

namespace plumb::data::privacy {

// Rules over groups of digits: the value that begins with this group, with the last group it takes.
struct NumberMatch {
  Match match;
  int groups = 0;
};
using NumberRule = std::optional<NumberMatch> (*)(const NumberRun&, int group);
std::optional<NumberMatch> resident_number(const NumberRun&, int group);  // kr_rrn, kr_frn
std::optional<NumberMatch> business_number(const NumberRun&, int group);  // kr_brn
std::optional<NumberMatch> driver_license(const NumberRun&, int group);   // kr_driver_license
std::optional<NumberMatch> card_number(const NumberRun&, int group);
std::optional<NumberMatch> phone_number(const NumberRun&, int group);
std::optional<NumberMatch> international_phone(const NumberRun&, int group);  // a part of phone_number
std::optional<NumberMatch> korean_phone(const NumberRun&, int group);         // a part of phone_number
std::optional<NumberMatch> ipv4_address(const NumberRun&, int group);

// Rules over text: the value around or after byte `at`; `from`: what lies before is taken already.
std::optional<Match> email_address(std::string_view text, size_t at, size_t from);      // at the "@"
std::optional<Match> url_password(std::string_view text, size_t at, size_t from);       // at the "@"
std::optional<Match> ipv6_address(std::string_view text, size_t at);                    // at its first digit
std::optional<Match> iban(std::string_view text, size_t at);                            // at the first check digit
std::optional<Match> passport_number(std::string_view text, size_t at);                 // at its first digit
std::optional<Match> token_with_prefix(std::string_view text, size_t at, size_t from);  // at one of "AJG-_"
std::optional<Match> assigned_secret(std::string_view text, size_t at);                 // at ":" or "="

// The arithmetic, for tests: digits only.
bool luhn(std::string_view digits);
bool resident_checksum(std::string_view digits);  // before October 2020
bool foreigner_checksum(std::string_view digits);
bool business_checksum(std::string_view digits);
bool real_birth_date(std::string_view digits);  // the first seven of a resident number
bool iban_checksum(std::string_view compact);

// Shared by rules.
inline NumberMatch match_of(Kind kind, const NumberRun& run, int group, int groups) {
  return {{kind, run[group].begin, run[group + groups - 1].end}, groups};
}
inline bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }
inline bool is_lower(unsigned char c) { return c >= 'a' && c <= 'z'; }
inline bool is_upper(unsigned char c) { return c >= 'A' && c <= 'Z'; }
inline bool is_letter(unsigned char c) { return is_lower(c) || is_upper(c); }
inline bool is_alnum(unsigned char c) { return is_digit(c) || is_letter(c); }
inline int number_of(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

}  // namespace plumb::data::privacy
