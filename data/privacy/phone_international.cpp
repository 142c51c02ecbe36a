// Numbers that begin with "+" and the code of a country.
#include <array>

#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

struct Plan {
  short code;
  signed char least, most;  // digits after the code
};
// ITU-T E.164 country codes of one and two digits, with the lengths of their national numbers.
constexpr std::array<Plan, 46> plans = {{
    {1, 10, 10},  {7, 10, 10}, {20, 8, 10}, {27, 9, 9},   {30, 10, 10}, {31, 9, 9},   {32, 8, 9},  {33, 9, 9},
    {34, 9, 9},   {36, 8, 9},  {39, 8, 11}, {40, 9, 9},   {41, 9, 9},   {43, 8, 12},  {44, 9, 10}, {45, 8, 8},
    {46, 7, 10},  {47, 8, 8},  {48, 9, 9},  {49, 7, 12},  {51, 8, 9},   {52, 10, 10}, {53, 8, 8},  {54, 10, 11},
    {55, 10, 11}, {56, 9, 9},  {57, 8, 10}, {58, 10, 10}, {60, 8, 10},  {61, 9, 9},   {62, 8, 12}, {63, 8, 10},
    {64, 8, 10},  {65, 8, 8},  {66, 8, 9},  {81, 9, 10},  {82, 8, 10},  {84, 9, 10},  {86, 9, 11}, {90, 10, 10},
    {91, 10, 10}, {92, 9, 10}, {93, 9, 9},  {94, 9, 9},   {95, 7, 10},  {98, 10, 10},
}};
// The first two digits of codes with three.
constexpr std::string_view three_digit_codes = "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 85 87 88 96 97 99";

struct Number {
  int code_digits = 0;
  Plan plan{};
};

bool find_plan(std::string_view digits, Number& number) {
  for (size_t length = 1; length <= 2; ++length) {
    for (const auto& plan : plans) {
      if (plan.code != number_of(digits.substr(0, length)) || (length == 2 && plan.code < 10)) continue;
      number = {static_cast<int>(length), plan};
      return true;
    }
  }
  for (size_t at = 0; at < three_digit_codes.size(); at += 3) {
    if (digits.substr(0, 2) != three_digit_codes.substr(at, 2)) continue;
    number = {3, {static_cast<short>(number_of(digits.substr(0, 3))), 7, 10}};
    return true;
  }
  return false;
}

// "(0)" after the code is dialled only at home.
bool is_home_zero(const NumberRun& run, int group) {
  return run.length(group) == 1 && run.digits(group) == "0" && run.joint(group) == Joint::close;
}

}  // namespace

std::optional<NumberMatch> international_phone(const NumberRun& run, int group) {
  size_t begin = 0;
  if (!run.plus_before(group, begin)) return std::nullopt;
  char digits[16];
  size_t count = 0;
  int found = 0;
  bool tight = false;  // a dash or a dot was seen: a space after that ends the number
  Number number;
  for (int at = group; at < run.count(); ++at) {
    if (at > group && is_home_zero(run, at)) continue;
    const std::string_view part = run.digits(at);
    if (count + part.size() > 15) break;
    for (const char c : part) digits[count++] = c;
    const std::string_view all(digits, count);
    if (number.code_digits == 0 && count >= 3 && !find_plan(all, number)) return std::nullopt;
    const int national = static_cast<int>(count) - number.code_digits;
    if (number.code_digits != 0 && national >= number.plan.least && national <= number.plan.most && run.ends(at))
      found = at - group + 1;
    const Joint joint = run.joint(at);
    if (joint == Joint::end || joint == Joint::colon || joint == Joint::comma) break;
    if (joint == Joint::space && tight && at > group) break;
    tight |= (joint == Joint::dash || joint == Joint::dot) && at > group;
    if (found && joint == Joint::open) break;
  }
  if (found == 0) return std::nullopt;
  const std::string_view national(digits + number.code_digits, count - number.code_digits);
  if (national[0] == '0' || (number.plan.code == 1 && national[0] == '1')) return std::nullopt;
  NumberMatch match = match_of(Kind::phone, run, group, found);
  match.match.begin = begin;
  return match;
}

}  // namespace plumb::data::privacy
