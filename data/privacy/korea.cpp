// Numbers that Korea gives to residents, foreigners, businesses, drivers and travellers.
#include <array>

#include "data/privacy/labels.h"
#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

int resident_sum(std::string_view digits) {
  static constexpr std::array<int, 12> weights = {2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5};
  int sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * (digits[i] - '0');
  return sum;
}

bool ean13(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < 13; ++i) sum += (digits[i] - '0') * (i % 2 ? 3 : 1);
  return sum % 10 == 0;
}

// "= 1903242526696": a number of a calculation.
bool is_computed(const NumberRun& run, int group) {
  const std::string_view before = run.text().substr(0, run[group].begin);
  for (const std::string_view sign : {"+ ", "= ", "* ", "/ ", "- ", "< ", "> "})
    if (before.ends_with(sign)) return true;
  return false;
}

// Thirteen digits in a row are often something else. Numbers given since October 2020 have no checksum, so that its
// failure alone decides nothing; a number that is better explained otherwise is left alone.
bool plausible_without_dash(std::string_view digits, bool checksum, Label label) {
  if (label == Label::resident || label == Label::foreigner) return true;
  if (label == Label::other || label == Label::phone || label == Label::card) return false;
  if (checksum) return true;
  const int year = number_of(digits.substr(0, 2));
  const bool after_2000 = digits[6] == '3' || digits[6] == '4' || digits[6] == '7' || digits[6] == '8';
  if (after_2000 && year >= 50) return false;                   // not born yet
  if (digits.starts_with("88") && ean13(digits)) return false;  // a Korean barcode
  return !(digits[0] == '1' && digits[1] >= '5');               // milliseconds since 1970, of 2017 to 2033
}

}  // namespace

bool resident_checksum(std::string_view digits) { return (11 - resident_sum(digits) % 11) % 10 == digits[12] - '0'; }

bool foreigner_checksum(std::string_view digits) { return (13 - resident_sum(digits) % 11) % 10 == digits[12] - '0'; }

bool real_birth_date(std::string_view digits) {
  static constexpr std::array<int, 13> days = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const char sex = digits[6];
  if (sex < '1' || sex > '8') return false;
  const bool after_2000 = sex == '3' || sex == '4' || sex == '7' || sex == '8';
  const int year = number_of(digits.substr(0, 2)) + (after_2000 ? 2000 : 1900);
  const int month = number_of(digits.substr(2, 2)), day = number_of(digits.substr(4, 2));
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= days[month] + (month == 2 && leap ? 1 : 0);
}

std::optional<NumberMatch> resident_number(const NumberRun& run, int group) {
  int groups = 1;
  if (run.length(group) == 6 && run.length(group + 1) == 7) {
    groups = 2;
  } else if (run.length(group) != 13) {
    return std::nullopt;
  }
  const std::string_view digits = run.digits(group, groups);
  if (!real_birth_date(digits) || !run.starts(group) || !run.ends(group + groups - 1)) return std::nullopt;
  const bool foreigner = digits[6] >= '5';
  const bool checksum = foreigner ? foreigner_checksum(digits) : resident_checksum(digits);
  const Joint joint = groups == 2 ? run.joint(group) : Joint::end;
  if (joint != Joint::dash) {
    const Label label = label_before(run.text(), run[group].begin);
    const bool named = label == Label::resident || label == Label::foreigner;
    if (groups == 1 && !plausible_without_dash(digits, checksum, label)) return std::nullopt;
    if (groups == 1 && !named && is_computed(run, group)) return std::nullopt;
    if (groups == 2 && (joint != Joint::space || !(named || checksum))) return std::nullopt;
  }
  return match_of(foreigner ? Kind::kr_frn : Kind::kr_rrn, run, group, groups);
}

bool business_checksum(std::string_view digits) {
  static constexpr std::array<int, 9> weights = {1, 3, 7, 1, 3, 7, 1, 3, 5};
  int sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * (digits[i] - '0');
  sum += (digits[8] - '0') * 5 / 10;  // the carry of the ninth
  return (10 - sum % 10) % 10 == digits[9] - '0';
}

std::optional<NumberMatch> business_number(const NumberRun& run, int group) {
  int groups = 3;
  const bool dashed = run.length(group) == 3 && run.length(group + 1) == 2 && run.length(group + 2) == 5 &&
                      run.joint(group) == Joint::dash && run.joint(group + 1) == Joint::dash;
  if (!dashed) {
    groups = 1;
    if (run.length(group) != 10) return std::nullopt;
  }
  const std::string_view digits = run.digits(group, groups);
  if (number_of(digits.substr(0, 3)) < 101 || digits.substr(3, 2) == "00" || !business_checksum(digits))
    return std::nullopt;
  if (!run.starts(group) || !run.ends(group + groups - 1)) return std::nullopt;
  if (!dashed && label_before(run.text(), run[group].begin) != Label::business) return std::nullopt;
  return match_of(Kind::kr_brn, run, group, groups);
}

namespace {

// "서울 12-345678-90": before 2014 a licence named its region.
std::optional<NumberMatch> driver_license_of_region(const NumberRun& run, int group) {
  static constexpr std::array<std::string_view, 16> regions = {"서울", "부산", "경기", "강원", "충북", "충남",
                                                               "전북", "전남", "경북", "경남", "제주", "대구",
                                                               "인천", "광주", "대전", "울산"};
  if (run.length(group) != 2 || run.length(group + 1) != 6 || run.length(group + 2) != 2) return std::nullopt;
  if (run.joint(group) != Joint::dash || run.joint(group + 1) != Joint::dash) return std::nullopt;
  if (!run.starts(group) || !run.ends(group + 2)) return std::nullopt;
  std::string_view before = run.text().substr(0, run[group].begin);
  if (before.ends_with(' ') || before.ends_with('-')) before.remove_suffix(1);
  for (const auto region : regions) {
    if (!before.ends_with(region)) continue;
    NumberMatch match = match_of(Kind::kr_driver_license, run, group, 3);
    match.match.begin = before.size() - region.size();
    return match;
  }
  return std::nullopt;
}

}  // namespace

std::optional<NumberMatch> driver_license(const NumberRun& run, int group) {
  if (const auto old = driver_license_of_region(run, group)) return old;
  int groups = 4;
  const auto dashed = [&](int from, int joints) {
    for (int i = from; i < from + joints; ++i)
      if (run.joint(i) != Joint::dash) return false;
    return true;
  };
  if (run.length(group) == 2 && run.length(group + 1) == 2 && run.length(group + 2) == 6 &&
      run.length(group + 3) == 2 && dashed(group, 3)) {
    groups = 4;
  } else if (run.length(group) == 12) {
    if (label_before(run.text(), run[group].begin) != Label::driver) return std::nullopt;
    groups = 1;
  } else {
    return std::nullopt;
  }
  const int region = number_of(run.digits(group).substr(0, 2));  // 11 Seoul to 26 Ulsan, 28 Gyeonggi North
  if (region < 11 || region == 27 || region > 28) return std::nullopt;
  if (!run.starts(group) || !run.ends(group + groups - 1)) return std::nullopt;
  return match_of(Kind::kr_driver_license, run, group, groups);
}

// A letter and eight digits, since 2021 a letter, three digits, a letter, four digits: too plain without a word.
std::optional<Match> passport_number(std::string_view text, size_t at) {
  static constexpr std::string_view series = "MSRODGTPC";
  if (at < 1 || series.find(text[at - 1]) == std::string_view::npos) return std::nullopt;
  const size_t begin = at - 1;
  if (begin > 0 && (is_alnum(text[begin - 1]) || text[begin - 1] == '_')) return std::nullopt;
  // Older ones may have two letters; those begin outside and are not told apart here.
  if (at + 8 > text.size()) return std::nullopt;
  for (size_t i = 0; i < 8; ++i) {
    const unsigned char c = text[at + i];
    if (!is_digit(c) && !(i == 3 && is_upper(c))) return std::nullopt;
  }
  const size_t end = at + 8;
  if (end < text.size() && (is_alnum(text[end]) || text[end] == '_')) return std::nullopt;
  if (label_before(text, begin) != Label::passport) return std::nullopt;
  return Match{Kind::kr_passport, begin, end};
}

}  // namespace plumb::data::privacy
