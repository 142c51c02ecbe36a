// Keys and passwords that services give out in a form of their own, and values that a program calls a secret.
#include <algorithm>
#include <array>

#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

using Test = bool (*)(unsigned char);

bool is_base64url(unsigned char c) { return is_alnum(c) || c == '_' || c == '-'; }
bool is_base32(unsigned char c) { return is_upper(c) || (c >= '2' && c <= '7'); }
bool is_plain(unsigned char c) { return is_alnum(c); }
bool is_dashed(unsigned char c) { return is_alnum(c) || c == '-'; }
bool is_dotted(unsigned char c) { return is_base64url(c) || c == '.'; }

// Services whose keys have a prefix. `least` and `most` count what follows it.
struct Service {
  std::string_view prefix;
  Test inside;
  size_t least, most;
};
constexpr std::array<Service, 32> services = {{
    {"AKIA", is_base32, 16, 16},  // Amazon
    {"ASIA", is_base32, 16, 16},
    {"AIza", is_base64url, 35, 35},  // Google
    {"GOCSPX-", is_base64url, 28, 28},
    {"ghp_", is_plain, 36, 251},  // GitHub
    {"gho_", is_plain, 36, 251},
    {"ghu_", is_plain, 36, 251},
    {"ghs_", is_plain, 36, 251},
    {"ghr_", is_plain, 36, 251},
    {"github_pat_", is_base64url, 60, 251},
    {"glpat-", is_base64url, 20, 64},  // GitLab
    {"xoxb-", is_dashed, 20, 255},     // Slack
    {"xoxp-", is_dashed, 20, 255},
    {"xoxa-", is_dashed, 20, 255},
    {"xoxr-", is_dashed, 20, 255},
    {"xoxs-", is_dashed, 20, 255},
    {"xapp-", is_dashed, 30, 255},
    {"sk-ant-", is_base64url, 24, 255},   // Anthropic
    {"sk-proj-", is_base64url, 24, 255},  // OpenAI
    {"sk-svcacct-", is_base64url, 24, 255},
    {"sk-", is_plain, 32, 64},
    {"sk_live_", is_plain, 16, 255},  // Stripe
    {"sk_test_", is_plain, 16, 255},
    {"rk_live_", is_plain, 16, 255},
    {"rk_test_", is_plain, 16, 255},
    {"whsec_", is_plain, 24, 255},
    {"hf_", is_plain, 30, 64},  // Hugging Face
    {"npm_", is_plain, 36, 36},
    {"pypi-AgEI", is_base64url, 50, 512},
    {"dop_v1_", is_plain, 64, 64},  // DigitalOcean
    {"SG.", is_dotted, 60, 72},     // SendGrid
    {"shpat_", is_plain, 32, 32},   // Shopify
}};

// Characters of a prefix before the one that the finder stops at.
constexpr std::string_view stops = "AJG-_";

bool starts_word(std::string_view text, size_t begin) {
  return begin == 0 || !(is_alnum(text[begin - 1]) || text[begin - 1] == '_' || text[begin - 1] == '-');
}

size_t run_length(std::string_view text, size_t at, Test inside, size_t most) {
  size_t length = 0;
  while (at + length < text.size() && length <= most && inside(text[at + length])) ++length;
  return length;
}

// A key mixes digits, capitals and letters: "sk-learn-contributed-estimators" does not.
bool looks_random(std::string_view value) {
  size_t mixed = 0, digits = 0, in_words = 0, word = 0, distinct = 0;
  std::array<bool, 256> seen{};
  for (const unsigned char c : value) {
    digits += is_digit(c);
    mixed += is_digit(c) || is_upper(c);
    distinct += !seen[c];
    seen[c] = true;
    word = is_lower(c) ? word + 1 : 0;
    in_words += word == 5 ? 5 : word > 5;
  }
  return digits >= 1 && mixed >= 3 && distinct >= 8 && in_words * 2 < value.size();
}

std::optional<Match> with_prefix(std::string_view text, size_t at, size_t from) {
  for (const auto& service : services) {
    // The finder stops at the first of its characters in a prefix.
    const size_t stop = service.prefix.find_first_of(stops);
    if (service.prefix[stop] != text[at] || at < stop + from) continue;
    const size_t begin = at - stop, rest = begin + service.prefix.size();
    if (!text.substr(begin).starts_with(service.prefix) || !starts_word(text, begin)) continue;
    const size_t length = run_length(text, rest, service.inside, service.most);
    if (length < service.least || length > service.most) continue;
    if (rest + length < text.size() && is_alnum(text[rest + length])) continue;
    const bool upper = service.inside == is_base32;
    if (!upper && !looks_random(text.substr(rest, length))) continue;
    return Match{Kind::secret, begin, rest + length};
  }
  return std::nullopt;
}

// Three parts of base64url, the first two of them JSON objects.
std::optional<Match> json_web_token(std::string_view text, size_t at, size_t from) {
  if (at < from + 2 || text[at - 1] != 'y' || text[at - 2] != 'e' || !starts_word(text, at - 2)) return std::nullopt;
  const size_t begin = at - 2;
  const size_t header = run_length(text, begin, is_base64url, 4096);
  size_t next = begin + header;
  if (header < 12 || header > 4096 || !text.substr(next).starts_with(".eyJ")) return std::nullopt;
  const size_t payload = run_length(text, next + 1, is_base64url, 65536);
  next += 1 + payload;
  if (payload < 8 || payload > 65536 || next >= text.size() || text[next] != '.') return std::nullopt;
  const size_t signature = run_length(text, next + 1, is_base64url, 4096);
  if (signature < 16 || signature > 4096) return std::nullopt;
  return Match{Kind::secret, begin, next + 1 + signature};
}

// -----BEGIN RSA PRIVATE KEY----- to its end line; without one, as far as base64 goes.
std::optional<Match> private_key(std::string_view text, size_t at) {
  static constexpr std::string_view open = "-----BEGIN ", mark = "PRIVATE KEY";
  const std::string_view rest = text.substr(at);
  if (!rest.starts_with(open) || (at > 0 && text[at - 1] == '-')) return std::nullopt;
  const size_t dashes = rest.substr(0, 80).find("-----", open.size());
  if (dashes == std::string_view::npos) return std::nullopt;
  const std::string_view title = rest.substr(open.size(), dashes - open.size());
  if (title.find(mark) == std::string_view::npos) return std::nullopt;
  const size_t body = dashes + 5;
  const std::string_view near = rest.substr(0, 65536);
  const size_t close = near.find("-----END ", body);
  if (close != std::string_view::npos) {
    const size_t last = near.find("-----", close + 9);
    if (last != std::string_view::npos && last - close < 80) return Match{Kind::secret, at, at + last + 5};
  }
  size_t end = body;
  const auto in_body = [](unsigned char c) {
    return is_alnum(c) || c == '+' || c == '/' || c == '=' || c == '\n' || c == '\r' || c == '\\';
  };
  while (end < near.size() && in_body(near[end])) ++end;
  return end - body >= 40 ? std::optional(Match{Kind::secret, at, at + end}) : std::nullopt;
}

}  // namespace

std::optional<Match> token_with_prefix(std::string_view text, size_t at, size_t from) {
  switch (text[at]) {
    case 'J':
      return json_web_token(text, at, from);
    case '-':
      if (const auto found = private_key(text, at)) return found;
      break;
    default:
      break;
  }
  return with_prefix(text, at, from);
}

// scheme://user:password@host: the password.
std::optional<Match> url_password(std::string_view text, size_t at, size_t from) {
  const size_t least = std::max(from, at > 160 ? at - 160 : 0);
  size_t colon = 0, i = at;
  while (i > least) {
    const unsigned char c = text[i - 1];
    if (c <= ' ' || c == '@' || c == '"' || c == '\'' || c == '<' || c == '>' || c >= 0x80) return std::nullopt;
    if (c == '/') break;
    if (c == ':') colon = i - 1;
    --i;
  }
  if (i < least + 3 || text.substr(i - 3, 3) != "://" || colon == 0 || colon + 4 > at) return std::nullopt;
  const std::string_view value = text.substr(colon + 1, at - colon - 1);
  if (value[0] == '$' || value[0] == '{' || value[0] == '<' || value == "password" || value == "pass")
    return std::nullopt;
  return Match{Kind::secret, colon + 1, at};
}

}  // namespace plumb::data::privacy
