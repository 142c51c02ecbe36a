// password = "...", "api_key": "...": what somebody calls a secret, if it looks like one.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

constexpr size_t longest_name = 48, longest_value = 256;

enum class Naming { none, password, key };

// The name that ends before `end`, lower-case, without "_" and "-".
std::string name_before(std::string_view text, size_t end) {
  size_t i = end;
  while (i > 0 && end - i < 2 && text[i - 1] == ' ') --i;
  if (i > 0 && (text[i - 1] == '"' || text[i - 1] == '\'' || text[i - 1] == '`')) --i;
  const size_t stop = i;
  std::string name;
  while (i > 0 && stop - i < longest_name) {
    const unsigned char c = text[i - 1];
    if (!is_alnum(c) && c != '_' && c != '-' && c < 0x80) break;
    --i;
  }
  for (; i < stop; ++i) {
    const unsigned char c = text[i];
    if (c != '_' && c != '-') name += static_cast<char>(is_upper(c) ? c + 32 : c);
  }
  return name;
}

Naming naming_of(std::string_view name) {
  static constexpr std::array<std::string_view, 9> passwords = {
      "password", "passwd", "pwd", "passphrase", "passcode", "비밀번호", "패스워드", "비번", "암호"};
  static constexpr std::array<std::string_view, 15> keys = {
      "secret",     "token",      "apikey",      "accesskey",     "secretkey", "privatekey", "authkey", "masterkey",
      "accountkey", "credential", "credentials", "authorization", "인증키",    "비밀키",     "토큰"};
  for (const auto word : passwords)
    if (name.ends_with(word)) return Naming::password;
  for (const auto word : keys)
    if (name.ends_with(word)) return Naming::key;
  return Naming::none;
}

bool is_value(unsigned char c) {
  return c > ' ' && c < 0x7F && c != '"' && c != '\'' && c != '`' && c != ',' && c != ';' && c != '<' && c != '>' &&
         c != '(' && c != ')' && c != '[' && c != ']' && c != '{' && c != '}' && c != '\\';
}

double bits_per_character(std::string_view value) {
  std::array<int, 256> count{};
  for (const unsigned char c : value) ++count[c];
  double bits = 0;
  for (const int n : count)
    if (n) bits -= n * std::log2(static_cast<double>(n) / static_cast<double>(value.size()));
  return bits / static_cast<double>(value.size());
}

// Words that documentation writes where a secret would stand.
bool is_example(std::string_view value) {
  std::string lower;
  for (const unsigned char c : value) lower += static_cast<char>(is_upper(c) ? c + 32 : c);
  for (const auto word : {"your", "xxxx", "****", "....", "changeme", "placeholder", "dummy", "process.env",
                          "os.environ", "getenv", "://"})
    if (lower.find(word) != std::string::npos) return true;
  if (lower == value && lower.find("example") != std::string::npos) return true;  // capitals: a key that says so
  return lower[0] == '$' || lower[0] == '%' || lower[0] == '/' || lower.starts_with("./");
}

struct Makeup {
  int digits = 0, lower = 0, upper = 0, signs = 0;
  size_t in_words = 0;  // letters in runs of five or more of one case
};

Makeup makeup_of(std::string_view value) {
  Makeup makeup;
  size_t word = 0;
  for (const unsigned char c : value) {
    makeup.digits += is_digit(c);
    makeup.lower += is_lower(c);
    makeup.upper += is_upper(c);
    makeup.signs += !is_alnum(c);
    word = is_lower(c) ? word + 1 : 0;
    makeup.in_words += word == 5 ? 5 : word > 5;
  }
  return makeup;
}

bool is_secret(std::string_view value, Naming naming, bool quoted) {
  if (value.size() > longest_value || is_example(value)) return false;
  const Makeup makeup = makeup_of(value);
  const int letters = makeup.lower + makeup.upper;
  if (naming == Naming::password) {
    if (value.size() < 8 || makeup.digits == 0 || letters == 0) return false;
    return quoted || makeup.signs > 0 || makeup.upper > 0 || makeup.digits > 1;
  }
  const bool mixed = makeup.digits > 1 || (makeup.digits > 0 && makeup.upper > 2 && makeup.lower > 2);
  if (value.size() < 16 || !mixed || letters < 2) return false;
  return bits_per_character(value) >= 3.0 && makeup.in_words * 2 < value.size();
}

}  // namespace

std::optional<Match> assigned_secret(std::string_view text, size_t at) {
  // The cheapest question first: a colon of prose has a space, a letter of another word or a digit before it.
  const std::string name = name_before(text, at);
  const Naming naming = name.size() < 3 ? Naming::none : naming_of(name);
  if (naming == Naming::none) return std::nullopt;
  size_t i = at;
  while (i < text.size() && i < at + 3 && (text[i] == ':' || text[i] == '=' || text[i] == '>')) ++i;
  for (int spaces = 0; i < text.size() && text[i] == ' ' && spaces < 2; ++spaces) ++i;
  bool quoted = false;
  char quote = 0;
  if (i < text.size() && (text[i] == '"' || text[i] == '\'' || text[i] == '`')) {
    quoted = true;
    quote = text[i++];
  }
  for (const std::string_view scheme : {"Bearer ", "Basic ", "Token "})
    if (text.substr(std::min(i, text.size())).starts_with(scheme)) i += scheme.size();
  const size_t begin = i;
  while (i < text.size() && i - begin <= longest_value && is_value(text[i])) ++i;
  if (i < text.size() && (text[i] == '(' || text[i] == '[' || text[i] == '{' || text[i] == '<')) return std::nullopt;
  if (quoted && (i >= text.size() || text[i] != quote)) return std::nullopt;
  size_t end = i;
  if (!quoted)
    while (end > begin && (text[end - 1] == '.' || text[end - 1] == '!' || text[end - 1] == '?')) --end;
  const std::string_view value = text.substr(begin, end - begin);
  if (value.empty() || !is_secret(value, naming, quoted)) return std::nullopt;
  return Match{Kind::secret, begin, end};
}

}  // namespace plumb::data::privacy
