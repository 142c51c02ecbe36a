// Telephone numbers as people of Korea, the Americas, Europe, Japan and China write them at home. Without a word such
// as "Tel." before it, a number must have a form that little else has.
#include <array>
#include <string>

#include "data/privacy/labels.h"
#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

struct Shape {
  const NumberRun& run;
  int group;
  // Whether the groups from here have these lengths.
  bool is(std::initializer_list<int> lengths) const {
    int at = group;
    for (const int wanted : lengths)
      if (run.length(at++) != wanted) return false;
    return true;
  }
  bool joined(int index, std::initializer_list<Joint> allowed) const {
    for (const Joint joint : allowed)
      if (run.joint(group + index) == joint) return true;
    return false;
  }
  bool all_joined(int joints, Joint joint) const {
    for (int i = 0; i < joints; ++i)
      if (run.joint(group + i) != joint) return false;
    return true;
  }
};

// "(02) 123-4567": the brackets belong to the number.
NumberMatch phone_match(const NumberRun& run, int group, int groups) {
  NumberMatch match = match_of(Kind::phone, run, group, groups);
  if (groups > 1 && run.joint(group) == Joint::close && run.open_before(group))
    match.match.begin -= run.byte_before(group) == '(' ? 1 : 3;
  return match;
}

bool called_phone(const NumberRun& run, int group) {
  return label_before(run.text(), run[group].begin) == Label::phone;
}

// Area codes of Korea: Seoul, the provinces, the internet, toll-free, personal numbers.
bool korean_area(std::string_view area) {
  if (area == "02" || area == "070" || area == "080") return true;
  if (area.size() == 4) return area.substr(0, 3) == "050" && area[3] >= '2' && area[3] <= '8';
  if (area.size() != 3 || area[0] != '0') return false;
  static constexpr std::string_view areas = "031 032 033 041 042 043 044 051 052 053 054 055 061 062 063 064";
  return areas.find(area) != std::string_view::npos;
}

bool korean_mobile(std::string_view prefix) {
  return prefix == "010" || prefix == "011" || (prefix >= "016" && prefix <= "019");
}

// 1588-1234: numbers of companies. Two years look the same: 1592-1598.
bool korean_company(const NumberRun& run, int group) {
  static constexpr std::string_view prefixes =
      "1522 1533 1544 1551 1555 1566 1577 1588 1599 1600 1604 1611 1644 1660 1661 1666 1668 1670 1688 1800 1811 1833 "
      "1855 1877 1899";
  if (run.length(group) != 4 || run.length(group + 1) != 4) return false;
  if (prefixes.find(run.digits(group)) == std::string_view::npos) return false;
  const Joint joint = run.joint(group);
  if (joint != Joint::dash && joint != Joint::space && joint != Joint::dot) return false;
  const int first = number_of(run.digits(group)), second = number_of(run.digits(group + 1));
  const bool years = second > first && second <= 2100;
  return (joint == Joint::dash && !years) || called_phone(run, group);
}

int korean_contiguous(const NumberRun& run, int group) {
  const int length = run.length(group);
  if (length < 9 || length > 12) return 0;
  const std::string_view digits = run.digits(group);
  if (length == 11 && digits.starts_with("010") && digits[3] != '0') return 1;
  const bool mobile = korean_mobile(digits.substr(0, 3)) && (length == 10 || length == 11);
  const bool seoul = digits.starts_with("02") && length <= 10;
  const bool other = (korean_area(digits.substr(0, 3)) && (length == 10 || length == 11)) ||
                     (korean_area(digits.substr(0, 4)) && (length == 11 || length == 12));
  return (mobile || seoul || other) && called_phone(run, group) ? 1 : 0;
}

bool american_numbers(std::string_view area, std::string_view exchange) {
  const auto service = [](std::string_view code) { return code[1] == '1' && code[2] == '1'; };
  if (area == "555") return true;  // of films and examples
  return area[0] >= '2' && area[1] != '9' && exchange[0] >= '2' && !service(area) && !service(exchange);
}

// 415-555-2671, (415) 555-2671, 415.555.2671, 415 555 2671, with 1 before it or without.
int american(const NumberRun& run, int group) {
  const Shape shape{run, group};
  if (shape.is({1, 3, 3, 4}) && run.digits(group) == "1" &&
      shape.joined(0, {Joint::dash, Joint::dot, Joint::space, Joint::open})) {
    const bool bare =
        shape.joined(0, {Joint::space}) && shape.joined(1, {Joint::space}) && shape.joined(2, {Joint::space});
    const bool valid = american_numbers(run.digits(group + 1), run.digits(group + 2));
    const bool joined = shape.joined(1, {Joint::dash, Joint::dot, Joint::space, Joint::close}) &&
                        shape.joined(2, {Joint::dash, Joint::dot, Joint::space});
    return joined && valid && (!bare || called_phone(run, group)) ? 4 : 0;
  }
  if (shape.is({10})) {
    const std::string_view digits = run.digits(group);
    return american_numbers(digits.substr(0, 3), digits.substr(3, 3)) && called_phone(run, group) ? 1 : 0;
  }
  if (!shape.is({3, 3, 4})) return 0;
  const bool bracketed = shape.joined(0, {Joint::close}) && run.open_before(group);
  if (!(bracketed || shape.joined(0, {Joint::dash, Joint::dot, Joint::space}))) return 0;
  if (!shape.joined(1, {Joint::dash, Joint::dot, Joint::space})) return 0;
  if (bracketed) return 3;
  const bool tight = run.joint(group) == run.joint(group + 1) && !shape.joined(0, {Joint::space});
  const bool valid = american_numbers(run.digits(group), run.digits(group + 1));
  const bool half = shape.joined(0, {Joint::space}) && shape.joined(1, {Joint::dash});  // 415 555-2671
  return (valid && (tight || half)) || called_phone(run, group) ? 3 : 0;
}

// 01 23 45 67 89. Five rising numbers are rather a lottery's.
int french(const NumberRun& run, int group) {
  const Shape shape{run, group};
  if (!shape.is({2, 2, 2, 2, 2}) || run.digits(group)[0] != '0' || run.digits(group) == "00") return 0;
  const Joint joint = run.joint(group);
  if (joint != Joint::space && joint != Joint::dot && joint != Joint::dash) return 0;
  if (!shape.all_joined(4, joint) || run.joint(group + 4) == joint) return 0;
  if (group > 0 && run.joint(group - 1) == joint) return 0;
  bool rising = true;
  for (int i = 1; i < 5; ++i) rising &= number_of(run.digits(group + i)) > number_of(run.digits(group + i - 1));
  return (joint != Joint::dash && !rising) || called_phone(run, group) ? 5 : 0;
}

// Numbers with a zero before them, in the groups that Britain, Australia, Japan and others print.
int with_trunk_zero(const NumberRun& run, int group) {
  const Shape shape{run, group};
  const std::string_view first = run.digits(group);
  if (first.size() < 2 || first[0] != '0' || first[1] == '0') return 0;
  const bool first_joint = shape.joined(0, {Joint::space, Joint::close, Joint::dash});
  if (first_joint && shape.is({5, 6}) && (first[1] == '7' || first[1] == '1')) return 2;
  if (first_joint && shape.is({5, 3, 3}) && first[1] == '7' && shape.joined(1, {Joint::space, Joint::dash})) return 3;
  if (first_joint && shape.is({3, 4, 4}) && (first[1] == '2' || first[2] == '0') &&
      shape.joined(1, {Joint::space, Joint::dash}))
    return 3;
  if (first_joint && shape.is({4, 3, 4}) && shape.joined(1, {Joint::space, Joint::dash})) return 3;
  // Japan: ten digits in three groups joined by dashes.
  if (!shape.joined(0, {Joint::dash, Joint::close}) || !shape.joined(1, {Joint::dash})) return 0;
  const int total = run.length(group) + run.length(group + 1) + run.length(group + 2);
  return total == 10 && run.length(group) <= 5 && run.length(group + 1) <= 4 && run.length(group + 2) == 4 ? 3 : 0;
}

// 138-1234-5678, 13812345678 after a word.
int chinese(const NumberRun& run, int group) {
  const Shape shape{run, group};
  const std::string_view first = run.digits(group);
  if (first.size() < 3 || first[0] != '1' || first[1] < '3') return 0;
  if (shape.is({3, 4, 4}) && shape.joined(0, {Joint::dash, Joint::space}) && run.joint(group) == run.joint(group + 1))
    return run.joint(group) == Joint::dash || called_phone(run, group) ? 3 : 0;
  return shape.is({11}) && called_phone(run, group) ? 1 : 0;
}

// After a word such as "Tel." any number of 8 to 12 digits that begins as telephone numbers do.
int after_word(const NumberRun& run, int group) {
  int total = 0, found = 0;
  for (int at = group; at < run.count() && at < group + 6; ++at) {
    total += run.length(at);
    if (total > 12) break;
    const Joint joint = run.joint(at);
    const bool zero = run.digits(group)[0] == '0';
    if (total >= (zero ? 8 : 9) && (zero || at > group) && run.ends(at)) found = at - group + 1;
    if (joint != Joint::space && joint != Joint::dash && joint != Joint::dot && joint != Joint::slash &&
        joint != Joint::close)
      break;
  }
  const bool date = (run.length(group) == 4 || run.length(group + 2) == 4) && run.length(group + 1) == 2;
  return found && !date && called_phone(run, group) ? found : 0;
}

}  // namespace

std::optional<NumberMatch> korean_phone(const NumberRun& run, int group) {
  const Shape shape{run, group};
  const std::string_view first = run.digits(group);
  int groups = korean_contiguous(run, group);
  const bool last_joint = shape.joined(1, {Joint::dash, Joint::dot, Joint::space});
  if (korean_mobile(first)) {
    const bool joint = shape.joined(0, {Joint::dash, Joint::dot, Joint::space, Joint::close});
    if (joint && last_joint && (shape.is({3, 4, 4}) || shape.is({3, 3, 4}))) groups = 3;
    if (groups == 0 && joint && first == "010" && shape.is({3, 8})) groups = 2;
  } else if (korean_area(first)) {
    const int middle = run.length(group + 1);
    const bool joint = shape.joined(0, {Joint::dash, Joint::dot, Joint::close, Joint::space});
    const bool spaced = shape.joined(0, {Joint::space}) && shape.joined(1, {Joint::space});
    if (joint && last_joint && (middle == 3 || middle == 4) && run.length(group + 2) == 4)
      groups = !spaced || called_phone(run, group) ? 3 : 0;
  } else if (korean_company(run, group)) {
    groups = 2;
  } else if ((first == "82" || first == "0082") && shape.is({run.length(group), 2, 4, 4}) &&
             shape.all_joined(3, Joint::dash)) {
    groups = run.digits(group + 1) == "10" ? 4 : 0;  // 82-10-1234-5678, the "+" left out
  }
  if (groups == 0 || !run.starts(group) || !run.ends(group + groups - 1)) return std::nullopt;
  return phone_match(run, group, groups);
}

std::optional<NumberMatch> phone_number(const NumberRun& run, int group) {
  if (run.length(group) > 12) return std::nullopt;
  if (const auto match = international_phone(run, group)) return match;
  if (!run.starts(group) || run.money_before(group)) return std::nullopt;
  if (const auto match = korean_phone(run, group)) return match;
  int groups = 0;
  for (const auto form : {american, french, with_trunk_zero, chinese, after_word})
    if (groups = form(run, group); groups && run.ends(group + groups - 1)) break;
  if (groups == 0 || !run.ends(group + groups - 1)) return std::nullopt;
  return phone_match(run, group, groups);
}

}  // namespace plumb::data::privacy
