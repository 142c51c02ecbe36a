#include "core/config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

namespace plumb::config {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number: sign, digits without leading zeros (single _ between digits when allowed), fraction, exponent.
struct Decimal {
  bool negative = false;
  std::string digits;  // of whole part and fraction together
  int exponent = 0;    // value = digits x 10^exponent
  bool plain_integer = true;
  std::string_view rest;
  std::string hint;
};

bool read_digits(std::string_view& text, std::string& digits, bool underscores) {
  const size_t before = digits.size();
  while (!text.empty()) {
    const bool separator = underscores && text[0] == '_' && digits.size() > before && text.size() > 1 && digit(text[1]);
    if (!separator && !digit(text[0])) break;
    if (!separator) digits += text[0];
    text.remove_prefix(1);
  }
  return digits.size() > before;
}

std::optional<Decimal> read_decimal(std::string_view text, bool underscores, std::string& hint) {
  Decimal number;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    number.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 1 && text[0] == '0' && digit(text[1])) {
    const size_t zeros = std::min(text.find_first_not_of('0'), text.size() - 1);
    hint = fmt::format("numbers are decimal, without leading zeros; write {}", text.substr(zeros));
    return std::nullopt;
  }
  const bool whole = read_digits(text, number.digits, underscores);
  bool part = false;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    const size_t before = number.digits.size();
    part = read_digits(text, number.digits, false);
    number.exponent = -static_cast<int>(number.digits.size() - before);
    number.plain_integer = false;
  }
  if ((!whole && !part) || number.digits.size() > 400) return std::nullopt;
  // "1e9" has an exponent, "1epoch" has not.
  if (text.size() > 1 && (text[0] == 'e' || text[0] == 'E')) {
    const size_t sign = text[1] == '+' || text[1] == '-' ? 1 : 0;
    if (text.size() > 1 + sign && digit(text[1 + sign])) {
      int value = 0;
      size_t at = 1 + sign;
      for (; at < text.size() && digit(text[at]); ++at) value = std::min(value * 10 + (text[at] - '0'), 100000);
      number.exponent += text[1] == '-' ? -value : value;
      number.plain_integer = false;
      text.remove_prefix(at);
    }
  }
  number.rest = text;
  return number;
}

// digits x 10^exponent x multiplier as a whole number; nothing if it is not whole or too large.
std::optional<int64_t> whole(const Decimal& number, int64_t multiplier) {
  std::string digits = number.digits;
  int exponent = number.exponent;
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back(), ++exponent;
  const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  digits.erase(0, first);
  if (digits == "0") return 0;
  if (digits.size() > 19 || exponent > 19 || exponent < -19) return std::nullopt;
  unsigned __int128 value = 0;
  for (const char c : digits) value = value * 10 + static_cast<unsigned>(c - '0');
  value *= static_cast<unsigned __int128>(multiplier);
  const unsigned __int128 limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  for (; exponent < 0; ++exponent) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  for (; exponent > 0; --exponent) {
    if (value > limit) return std::nullopt;
    value *= 10;
  }
  if (value > limit) return std::nullopt;
  const auto result = static_cast<int64_t>(value);
  return number.negative ? -result : result;
}

std::optional<double> real(const Decimal& number) {
  const std::string text = fmt::format("{}{}e{}", number.negative ? "-" : "", number.digits, number.exponent);
  errno = 0;
  const double value = std::strtod(text.c_str(), nullptr);
  const bool zero = number.digits.find_first_not_of('0') == std::string::npos;
  if (!std::isfinite(value) || (value == 0 && !zero)) return std::nullopt;
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

struct Unit {
  const char* name;
  int64_t size;
};
constexpr std::array count_units{Unit{"K", 1000}, Unit{"M", 1000000}, Unit{"B", 1000000000}, Unit{"T", 1000000000000}};
constexpr std::array byte_units{Unit{"B", 1},
                                Unit{"KB", 1000},
                                Unit{"MB", 1000000},
                                Unit{"GB", 1000000000},
                                Unit{"TB", 1000000000000},
                                Unit{"KiB", int64_t{1} << 10},
                                Unit{"MiB", int64_t{1} << 20},
                                Unit{"GiB", int64_t{1} << 30},
                                Unit{"TiB", int64_t{1} << 40}};
constexpr std::array time_units{Unit{"d", 86400}, Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}};

template <size_t n>
const Unit* find_unit(const std::array<Unit, n>& units, std::string_view name) {
  for (const auto& unit : units)
    if (name == unit.name) return &unit;
  return nullptr;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// "512 MiB" and "512mib" are near misses worth a hint.
template <size_t n>
std::string unit_hint(const std::array<Unit, n>& units, std::string_view text, std::string_view unit) {
  for (const auto& candidate : units)
    if (lower(candidate.name) == lower(trim(unit)))
      return fmt::format("write {}{}", trim(text.substr(0, text.size() - unit.size())), candidate.name);
  return "";
}

// "0,001" as much of the world writes it, "1,000,000" with marks between thousands.
std::string comma_hint(std::string_view text, bool whole) {
  const size_t comma = text.find(',');
  if (comma == std::string_view::npos) return "";
  std::string plain(text), none;
  const bool decimal = !whole && text.find(',', comma + 1) == std::string_view::npos;
  if (decimal) {
    plain[comma] = '.';
  } else {
    std::erase(plain, ',');
  }
  const auto number = read_decimal(plain, false, none);
  if (!number || (!number->rest.empty() && number->rest != "%")) return "";
  return fmt::format("{}; write {}", decimal ? "the decimal mark is a point" : "numbers have no commas", plain);
}

struct NamedTime {
  const char *name, *letter;
};
constexpr std::array named_times{NamedTime{"day", "d"},    NamedTime{"hour", "h"}, NamedTime{"hr", "h"},
                                 NamedTime{"minute", "m"}, NamedTime{"min", "m"},  NamedTime{"second", "s"},
                                 NamedTime{"sec", "s"}};

// "2 hours", "10min" and "30 s" name their unit in another way than ours.
std::string time_hint(std::string_view text) {
  std::string none;
  const auto number = read_decimal(text, false, none);
  if (!number) return "";
  const std::string unit = lower(trim(number->rest));
  for (const auto& [name, letter] : named_times) {
    if (unit == name || unit == std::string(name) + "s" || unit == letter)
      return fmt::format("write {}{}", trim(text.substr(0, text.size() - number->rest.size())), letter);
  }
  return "";
}

}  // namespace

Read<int64_t> read_int(std::string_view text) {
  std::string hint;
  const auto number = read_decimal(text, true, hint);
  if (!number || !hint.empty()) return {std::nullopt, hint};
  const auto value = whole(*number, 1);
  if (number->rest.empty() && number->plain_integer && value && text.find('_') == std::string_view::npos)
    return {*value, ""};
  // 2K, 1e3 and 1_000 are counts; an int is written out.
  const Unit* unit = find_unit(count_units, number->rest);
  const auto meant = number->rest.empty() ? value : unit ? whole(*number, unit->size) : std::nullopt;
  return {std::nullopt, meant ? fmt::format("write {}", *meant) : comma_hint(text, true)};
}

Read<int64_t> read_count(std::string_view text) {
  std::string hint;
  const auto number = read_decimal(text, true, hint);
  if (!number || !hint.empty()) return {std::nullopt, hint};
  const Unit* unit = number->rest.empty() ? nullptr : find_unit(count_units, number->rest);
  if (!number->rest.empty() && !unit) {
    const auto comma = comma_hint(text, true);
    return {std::nullopt, comma.empty() ? unit_hint(count_units, text, number->rest) : comma};
  }
  const auto value = whole(*number, unit ? unit->size : 1);
  return {value, value ? "" : "it does not come out as a whole number below 9.2e18"};
}

Read<double> read_number(std::string_view text) {
  std::string hint;
  const auto number = read_decimal(text, false, hint);
  if (!number || !hint.empty()) {
    const std::string word = lower(text);
    if (word == ".nan" || word == "nan" || word == ".inf" || word == "-.inf" || word == "inf")
      hint = "it must be finite";
    return {std::nullopt, hint};
  }
  if (!number->rest.empty()) return {std::nullopt, comma_hint(text, false)};
  const auto value = real(*number);
  return {value, value ? "" : "it is outside the range of a 64-bit floating-point number"};
}

Read<double> read_fraction(std::string_view text) {
  const bool percent = !text.empty() && text.back() == '%';
  auto number = read_number(percent ? text.substr(0, text.size() - 1) : text);
  if (number.value && percent) *number.value /= 100;
  return number;
}

Read<int64_t> read_bytes(std::string_view text) {
  std::string hint;
  const auto number = read_decimal(text, false, hint);
  if (!number || !hint.empty()) return {std::nullopt, hint};
  if (number->rest.empty()) return {std::nullopt, fmt::format("give the unit, such as {}GiB", text)};
  const Unit* unit = find_unit(byte_units, number->rest);
  if (!unit) return {std::nullopt, unit_hint(byte_units, text, number->rest)};
  const auto value = whole(*number, unit->size);
  return {value, value ? "" : "it does not come out as a whole number of bytes below 9.2e18"};
}

Read<double> read_duration(std::string_view text) {
  double seconds = 0;
  std::string hint;
  Read<double> other{std::nullopt, time_hint(text)};
  std::string_view rest = text;
  for (size_t next = 0; next < time_units.size();) {
    const auto number = read_decimal(rest, false, hint);
    if (!number || !hint.empty()) return hint.empty() ? other : Read<double>{std::nullopt, hint};
    if (number->rest.empty() && next == 0)
      return {std::nullopt, fmt::format("give the unit, such as {}s or {}m", text, text)};
    if (number->rest.empty() || number->negative) return other;
    // From the largest unit down, each at most once: "1h30m", not "30m1h".
    size_t unit = next;
    while (unit < time_units.size() && number->rest[0] != time_units[unit].name[0]) ++unit;
    const auto value = real(*number);
    if (unit == time_units.size() || !value) return other;
    seconds += *value * static_cast<double>(time_units[unit].size);
    rest = number->rest.substr(1);
    next = unit + 1;
    if (rest.empty()) return {seconds, ""};
  }
  return other;
}

Read<Interval> read_interval(std::string_view text) {
  std::string hint;
  const auto number = read_decimal(text, true, hint);
  if (!number || !hint.empty()) return {std::nullopt, hint};
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) {
    if (const auto duration = read_duration(text); duration.value)
      return {Interval{Interval::Unit::seconds, *duration.value}, ""};
    if (number->rest.empty()) return {std::nullopt, fmt::format("give the unit, such as {} steps", text)};
    for (const char* word : {"steps", "tokens", "epochs", "step", "token", "epoch"})
      if (number->rest.ends_with(word))
        return {std::nullopt, fmt::format("write {} {}", text.substr(0, text.size() - std::strlen(word)), word)};
    return {std::nullopt, time_hint(text)};
  }
  const std::string_view amount = text.substr(0, space), unit = trim(text.substr(space));
  if (unit == "steps" || unit == "step" || unit == "tokens" || unit == "token") {
    const auto count = read_count(amount);
    if (!count.value) return {std::nullopt, count.hint};
    const bool steps = unit[0] == 's';
    return {Interval{steps ? Interval::Unit::steps : Interval::Unit::tokens, static_cast<double>(*count.value)}, ""};
  }
  if (unit == "epochs" || unit == "epoch") {
    const auto epochs = read_number(amount);
    if (!epochs.value) return {std::nullopt, epochs.hint};
    return {Interval{Interval::Unit::epochs, *epochs.value}, ""};
  }
  return {std::nullopt, time_hint(text)};
}

Read<Relative> read_relative(std::string_view text) {
  const bool percent = !text.empty() && text.back() == '%';
  const auto number = read_number(percent ? text.substr(0, text.size() - 1) : text);
  if (!number.value) return {std::nullopt, number.hint};
  return {Relative{*number.value, percent}, ""};
}

Read<Span> read_span(std::string_view text) {
  if (!text.empty() && text.back() == '%') {
    const auto percent = read_number(text.substr(0, text.size() - 1));
    if (!percent.value) return {std::nullopt, percent.hint};
    return {Span{Span::Unit::percent, *percent.value}, ""};
  }
  const auto interval = read_interval(text);
  if (!interval.value) return {std::nullopt, interval.hint};
  if (interval.value->unit == Interval::Unit::steps) return {Span{Span::Unit::steps, interval.value->value}, ""};
  if (interval.value->unit == Interval::Unit::tokens) return {Span{Span::Unit::tokens, interval.value->value}, ""};
  return {std::nullopt, "steps, tokens or a share of the length, such as 3%"};
}

std::string write_number(double value) {
  return std::abs(value) < 1e15 && value == std::trunc(value) ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

std::string write_bytes(int64_t value) {
  // The largest unit that leaves a whole number.
  const Unit* best = &byte_units[0];
  for (const auto& unit : byte_units)
    if (value != 0 && value % unit.size == 0 && unit.size > best->size) best = &unit;
  return fmt::format("{}{}", value / best->size, best->name);
}

std::string write_duration(double seconds) {
  if (seconds == 0) return "0s";
  std::string text;
  double left = seconds;
  for (const auto& unit : time_units) {
    const auto size = static_cast<double>(unit.size);
    const double amount = unit.size == 1 ? left : std::floor(left / size);
    if (amount > 0) text += write_number(amount) + unit.name;
    left -= amount * size;
  }
  return text;
}

std::string write_interval(const Interval& interval) {
  const auto plural = [&](const char* word) {
    return fmt::format("{} {}{}", write_number(interval.value), word, interval.value == 1 ? "" : "s");
  };
  switch (interval.unit) {
    case Interval::Unit::none:
      return "none";
    case Interval::Unit::steps:
      return plural("step");
    case Interval::Unit::tokens:
      return plural("token");
    case Interval::Unit::epochs:
      return plural("epoch");
    case Interval::Unit::seconds:
      return write_duration(interval.value);
  }
  return "none";
}

std::string write_relative(const Relative& value) { return write_number(value.value) + (value.percent ? "%" : ""); }

std::string write_span(const Span& span) {
  if (span.unit == Span::Unit::percent) return write_number(span.value) + "%";
  return write_interval({span.unit == Span::Unit::steps ? Interval::Unit::steps : Interval::Unit::tokens, span.value});
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<int>> cost(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& words) {
  if (word.size() > 100) return std::nullopt;
  std::optional<std::string> best;
  int least = std::max(1, static_cast<int>(word.size()) / 3) + 1;
  for (const auto& candidate : words) {
    const int distance = edit_distance(word, candidate);
    if (distance < least) least = distance, best = candidate;
  }
  return best;
}

std::optional<std::filesystem::path> nearest_path(const std::filesystem::path& missing) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path absolute = fs::absolute(missing).lexically_normal();
  fs::path there = absolute.root_path();
  auto part = std::next(absolute.begin());
  while (part != absolute.end() && fs::exists(there / *part, error)) there /= *part++;
  if (part == absolute.end()) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(there, error)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());  // of equally near ones always the same
  const auto near = nearest(part->string(), names);
  if (!near) return std::nullopt;
  fs::path found = there / *near;
  while (++part != absolute.end()) found /= *part;
  return fs::exists(found, error) ? std::optional(found) : std::nullopt;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

}  // namespace plumb::config
