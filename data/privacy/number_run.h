// Groups of digits and what stands between them, with full-width digits, Unicode dashes and spaces read as their plain
// twins: "010 - 1234－5678" is the groups 010, 1234, 5678 joined by dashes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace plumb::data::privacy {

enum class Joint : uint8_t { end, space, dash, dot, slash, close, open, colon, comma };

struct Group {
  size_t begin = 0, end = 0;  // bytes
  uint16_t first = 0;         // in the run's digits
  uint16_t length = 0;        // max_digits + 1: longer than anything here
  Joint joint = Joint::end;   // to the next group
};

// Bytes of the digit at `at` (1, or 3 for a full-width one; 0: none there) and its value.
int digit_at(std::string_view text, size_t at, char& digit);

class NumberRun {
 public:
  static constexpr int max_groups = 32, max_digits = 24;

  // The run that starts with the digit at `at`. `before`: how it hangs on an earlier part of it that was cut off.
  NumberRun(std::string_view text, size_t at, Joint before = Joint::end);

  std::string_view text() const { return text_; }
  int count() const { return count_; }
  bool cut() const { return cut_; }  // more groups follow the last one
  const Group& operator[](int group) const { return groups_[group]; }
  int length(int group) const { return group < count_ ? groups_[group].length : 0; }
  Joint joint(int group) const { return group < count_ ? groups_[group].joint : Joint::end; }
  // Digits of groups [group, group + groups), one after the other.
  std::string_view digits(int group, int groups = 1) const;

  // Whether a value may start at a group or end with one: no letter, digit, dash or decimal point continues it.
  bool starts(int group) const;
  bool ends(int group) const;
  unsigned char byte_before(int group) const { return groups_[group].begin ? text_[groups_[group].begin - 1] : 0; }
  bool money_before(int group) const;  // a currency sign or a number sign stands before
  bool plus_before(int group, size_t& begin) const;
  bool open_before(int group) const;  // "(" stands right before

 private:
  std::string_view text_;
  std::array<Group, max_groups> groups_;
  std::array<char, static_cast<size_t>(max_groups) * max_digits> digits_;
  int count_ = 0;
  Joint before_;
  bool cut_ = false;
};

}  // namespace plumb::data::privacy
