// Payment cards and bank accounts.
#include <array>

#include "data/privacy/labels.h"
#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

// Whether a card's issuer gives out numbers of this length (ISO/IEC 7812 ranges as the networks publish them).
bool issued(std::string_view digits) {
  const size_t length = digits.size();
  const int two = number_of(digits.substr(0, 2)), three = number_of(digits.substr(0, 3)),
            four = number_of(digits.substr(0, 4));
  if (digits[0] == '4') return length == 13 || length == 16 || length == 19;            // Visa
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length == 16;  // Mastercard
  if (two == 34 || two == 37) return length == 15;                                      // American Express
  if (four == 6011 || (three >= 644 && three <= 649) || two == 65) return length >= 16 && length <= 19;  // Discover
  if (four >= 3528 && four <= 3589) return length >= 16 && length <= 19;                                 // JCB
  if ((three >= 300 && three <= 305) || three == 309 || two == 36 || two == 38 || two == 39) return length == 14;
  if (two == 62 || two == 81) return length >= 16 && length <= 19;                                           // UnionPay
  if (two == 50 || (two >= 56 && two <= 58) || two == 67 || two == 63) return length == 16 || length == 19;  // Maestro
  if (two == 94 || two == 90 || two == 92) return length == 16;  // Korean domestic
  if (four >= 2200 && four <= 2204) return length == 16;         // Mir
  return false;
}

// How many groups a printed number takes: 4-4-4-4, 4-4-4-4-3, 4-6-5, 4-6-4 with one kind of joint, or one group.
int printed_groups(const NumberRun& run, int group) {
  const int length = run.length(group);
  if (length >= 13 && length <= 19) return 1;
  if (length != 4) return 0;
  const Joint joint = run.joint(group);
  if (joint != Joint::dash && joint != Joint::space && joint != Joint::dot) return 0;
  const auto is = [&](std::initializer_list<int> lengths) {
    int at = group;
    for (const int wanted : lengths) {
      if (run.length(at) != wanted) return false;
      if (at > group && run.joint(at - 1) != joint) return false;
      ++at;
    }
    return true;
  };
  if (is({4, 4, 4, 4, 3})) return luhn(run.digits(group, 5)) ? 5 : 4;
  if (is({4, 4, 4, 4})) return 4;
  if (is({4, 6, 5}) || is({4, 6, 4})) return 3;
  return 0;
}

bool in_longer_row(const NumberRun& run, int group, int groups) {
  const int last = group + groups - 1;
  return (group > 0 && run.joint(group - 1) == Joint::space && run.length(group - 1) == 4) ||
         (run.joint(last) == Joint::space && run.length(last + 1) == 4);
}

struct Country {
  char code[3];
  int length;
};
// ISO 13616 registry.
constexpr std::array<Country, 88> countries = {
    {{"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
     {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DJ", 27},
     {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FK", 18}, {"FO", 18}, {"FR", 27},
     {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22},
     {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32},
     {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19},
     {"MN", 20}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
     {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24}, {"SC", 31},
     {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25}, {"SV", 28}, {"TL", 23},
     {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20}, {"YE", 30}}};

int iban_length(std::string_view code) {
  for (const auto& country : countries)
    if (code == country.code) return country.length;
  return 0;
}

}  // namespace

bool luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (size_t i = digits.size(); i-- > 0; twice = !twice) {
    int value = digits[i] - '0';
    if (twice && (value *= 2) > 9) value -= 9;
    sum += value;
  }
  return sum % 10 == 0;
}

std::optional<NumberMatch> card_number(const NumberRun& run, int group) {
  const int groups = printed_groups(run, group);
  if (groups == 0) return std::nullopt;
  const std::string_view digits = run.digits(group, groups);
  if (!issued(digits) || !luhn(digits) || !run.starts(group) || !run.ends(group + groups - 1)) return std::nullopt;
  if (digits.find_first_not_of(digits[0]) == std::string_view::npos) return std::nullopt;
  // Four numbers out of a row of numbers are no card.
  if (groups > 1 && run.joint(group) == Joint::space && in_longer_row(run, group, groups)) return std::nullopt;
  if (groups == 1) {
    // One in ten numbers passes Luhn: a bare one of a rare length, or one that is called otherwise, is none.
    const Label label = label_before(run.text(), run[group].begin);
    if (label == Label::other || run.money_before(group)) return std::nullopt;
    if (digits.size() != 16 && digits.size() != 15 && label != Label::card) return std::nullopt;
  }
  return match_of(Kind::card, run, group, groups);
}

bool iban_checksum(std::string_view compact) {
  int rest = 0;
  for (size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[(i + 4) % compact.size()];
    rest = is_digit(c) ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (c - 'A' + 10)) % 97;
  }
  return rest == 1;
}

std::optional<Match> iban(std::string_view text, size_t at) {
  if (at < 2 || at + 2 > text.size() || !is_digit(text[at + 1])) return std::nullopt;
  const size_t begin = at - 2;
  if (begin > 0 && (is_alnum(text[begin - 1]) || text[begin - 1] == '_')) return std::nullopt;
  const int wanted = iban_length(text.substr(begin, 2));
  if (wanted == 0) return std::nullopt;
  char compact[34];
  int count = 0;
  size_t i = begin;
  while (i < text.size() && count < wanted) {
    const unsigned char c = text[i];
    if (is_digit(c) || is_upper(c)) {
      compact[count++] = static_cast<char>(c);
    } else if (!((c == ' ' || c == '-') && count % 4 == 0 && count > 0 && text[i - 1] != ' ' && text[i - 1] != '-')) {
      return std::nullopt;
    }
    ++i;
  }
  if (count < wanted || (i < text.size() && (is_alnum(text[i]) || text[i] == '_'))) return std::nullopt;
  if (!iban_checksum({compact, static_cast<size_t>(count)})) return std::nullopt;
  return Match{Kind::iban, begin, i};
}

}  // namespace plumb::data::privacy
