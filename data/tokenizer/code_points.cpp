#include "data/tokenizer/code_points.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "data/tokenizer/unicode.h"
#include "data/tokenizer/unicode_properties.h"

namespace plumb::data {

void CodePoints::add(uint32_t first, uint32_t last) {
  if (first > last) return;
  if (!ranges_.empty() && first <= ranges_.back().second) sorted_ = false;
  if (sorted_ && !ranges_.empty() && ranges_.back().second + 1 == first)
    ranges_.back().second = last;
  else
    ranges_.emplace_back(first, last);
}

void CodePoints::add(const CodePoints& other) {
  for (const auto& [first, last] : other.ranges()) add(first, last);
}

const std::vector<std::pair<uint32_t, uint32_t>>& CodePoints::ranges() const {
  if (!sorted_) {
    std::sort(ranges_.begin(), ranges_.end());
    size_t kept = 0;
    for (size_t i = 1; i < ranges_.size(); ++i) {
      if (ranges_[i].first <= ranges_[kept].second + 1)
        ranges_[kept].second = std::max(ranges_[kept].second, ranges_[i].second);
      else
        ranges_[++kept] = ranges_[i];
    }
    ranges_.resize(kept + 1);
    sorted_ = true;
  }
  return ranges_;
}

CodePoints CodePoints::others() const {
  CodePoints result;
  uint32_t from = 0;
  for (const auto& [first, last] : ranges()) {
    if (first > from) result.add(from, first - 1);
    from = last + 1;
  }
  if (from <= kLast) result.add(from, kLast);
  return result;
}

CodePoints CodePoints::common(const CodePoints& other) const {
  CodePoints either = others();
  either.add(other.others());
  return either.others();
}

namespace {

template <class Wanted>
void add_runs(const UnicodeRun* runs, size_t count, Wanted&& wanted, CodePoints& result) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t end = i + 1 < count ? runs[i + 1].first : CodePoints::kLast + 1;
    if (wanted(runs[i].value)) result.add(runs[i].first, end - 1);
  }
  // The tables begin with the first character that has a value; before it stands value 0.
  if (count > 0 && runs[0].first > 0 && wanted(0)) result.add(0, runs[0].first - 1);
}

std::string simplified(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    result += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return result;
}

// Long names of general categories; a group is the letter that its members share.
constexpr std::array<std::pair<std::string_view, std::string_view>, 38> kLongNames = {{
    {"other", "C"},
    {"control", "Cc"},
    {"format", "Cf"},
    {"unassigned", "Cn"},
    {"privateuse", "Co"},
    {"surrogate", "Cs"},
    {"letter", "L"},
    {"lowercaseletter", "Ll"},
    {"modifierletter", "Lm"},
    {"otherletter", "Lo"},
    {"titlecaseletter", "Lt"},
    {"uppercaseletter", "Lu"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"spacingmark", "Mc"},
    {"enclosingmark", "Me"},
    {"nonspacingmark", "Mn"},
    {"number", "N"},
    {"decimalnumber", "Nd"},
    {"letternumber", "Nl"},
    {"othernumber", "No"},
    {"punctuation", "P"},
    {"connectorpunctuation", "Pc"},
    {"dashpunctuation", "Pd"},
    {"closepunctuation", "Pe"},
    {"finalpunctuation", "Pf"},
    {"initialpunctuation", "Pi"},
    {"otherpunctuation", "Po"},
    {"openpunctuation", "Ps"},
    {"symbol", "S"},
    {"currencysymbol", "Sc"},
    {"modifiersymbol", "Sk"},
    {"mathsymbol", "Sm"},
    {"othersymbol", "So"},
    {"separator", "Z"},
    {"lineseparator", "Zl"},
    {"paragraphseparator", "Zp"},
    {"spaceseparator", "Zs"},
}};

bool add_category(const std::string& name, CodePoints& result) {
  std::string wanted = name;
  for (const auto& [long_name, short_name] : kLongNames)
    if (long_name == name) wanted = simplified(short_name);
  if (wanted.empty() || wanted.size() > 2) return false;
  std::array<bool, kCategoryNames.size()> members{};
  bool any = false;
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string category = simplified(kCategoryNames[i]);
    members[i] = wanted.size() == 1 ? category[0] == wanted[0] : category == wanted;
    any |= members[i];
  }
  if (any)
    add_runs(
        kCategoryRuns, kCategoryRunsCount, [&](uint16_t value) { return members[value]; }, result);
  return any;
}

bool add_script(const std::string& name, CodePoints& result) {
  for (size_t i = 1; i < kScriptNamesCount; ++i) {
    if (simplified(kScriptNames[i]) != name) continue;
    add_runs(
        kScriptRuns, kScriptRunsCount, [&](uint16_t value) { return value == i; }, result);
    return true;
  }
  return false;
}

void add_spaces(CodePoints& result) {
  for (size_t i = 0; i < kUnicodeRangeCount; ++i)
    if (kUnicodeRanges[i].bits & kSpace) result.add(kUnicodeRanges[i].first, kUnicodeRanges[i].last);
}

}  // namespace

bool named_code_points(std::string name, CodePoints& result) {
  name = simplified(name);
  if (add_category(name, result) || add_script(name, result)) return true;
  if (name == "space" || name == "whitespace") {
    add_spaces(result);
  } else if (name == "word") {
    add_runs(
        kTextBitRuns, kTextBitRunsCount, [](uint16_t bits) { return (bits & kPatternWord) != 0; }, result);
  } else if (name == "[word]") {  // inside [] some numbers of Latin-1 are no word characters
    CodePoints word, numbers;
    named_code_points("word", word);
    add_category("no", numbers);
    result.add(word.common(numbers.others()));
  } else if (name == "digit") {
    add_category("nd", result);
  } else if (name == "cntrl") {
    add_category("cc", result);
  } else if (name == "punct") {
    add_category("p", result);
  } else if (name == "[punct]") {  // inside [] wider than \p{Punct}
    add_category("p", result);
    add_category("s", result);
  } else if (name == "blank") {
    result.add('\t', '\t');
    add_category("zs", result);
  } else if (name == "alpha" || name == "alphabetic" || name == "alnum") {
    for (const char* part : {"l", "nl", name == "alnum" ? "nd" : "l"}) add_category(part, result);
    result.add(pcre2_code_points("Alphabetic"));
  } else if (name == "upper" || name == "uppercase" || name == "lower" || name == "lowercase") {
    add_category(name[0] == 'u' ? "lu" : "ll", result);
    result.add(pcre2_code_points(name[0] == 'u' ? "Uppercase" : "Lowercase"));
  } else if (name == "graph" || name == "print") {
    CodePoints invisible;
    for (const char* part : {"cc", "cn", "cs", "zl", "zp", name == "graph" ? "zs" : "zl"})
      add_category(part, invisible);
    result.add(invisible.others());
  } else if (name == "any") {
    result.add(0, CodePoints::kLast);
  } else if (name == "ascii") {
    result.add(0, 0x7F);
  } else if (name == "xdigit") {
    for (const auto& [first, last] : {std::pair('0', '9'), std::pair('A', 'F'), std::pair('a', 'f')})
      result.add(static_cast<uint32_t>(first), static_cast<uint32_t>(last));
  } else if (name == "assigned") {
    CodePoints unassigned;
    add_category("cn", unassigned);
    result.add(unassigned.others());
  } else {
    return false;
  }
  return true;
}

}  // namespace plumb::data
