// The kinds of personal data and secrets that are told apart.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace plumb::data::privacy {

enum class Kind : uint8_t {
  email,
  ipv4,
  ipv6,
  phone,
  kr_rrn,
  kr_frn,
  kr_brn,
  kr_driver_license,
  kr_passport,
  card,
  iban,
  secret
};
inline constexpr size_t kind_count = 12;

// As the configuration writes them, and as they stand in a text in place of a value.
inline constexpr std::array<std::string_view, kind_count> kind_names = {
    "email",       "ipv4", "ipv6", "phone", "kr_rrn", "kr_frn", "kr_brn", "kr_driver_license",
    "kr_passport", "card", "iban", "secret"};
inline constexpr std::array<std::string_view, kind_count> kind_tags = {
    "EMAIL",       "IPV4", "IPV6", "PHONE", "KR_RRN", "KR_FRN", "KR_BRN", "KR_DRIVER_LICENSE",
    "KR_PASSPORT", "CARD", "IBAN", "SECRET"};

using Kinds = uint32_t;  // a bit a kind
constexpr Kinds bit(Kind kind) { return Kinds{1} << static_cast<unsigned>(kind); }
inline constexpr Kinds all_kinds = (Kinds{1} << kind_count) - 1;

inline std::optional<Kind> kind_named(std::string_view name) {
  for (size_t i = 0; i < kind_count; ++i)
    if (kind_names[i] == name) return static_cast<Kind>(i);
  return std::nullopt;
}

// A value in a text: bytes [begin, end).
struct Match {
  Kind kind = Kind::email;
  size_t begin = 0, end = 0;
};

}  // namespace plumb::data::privacy
