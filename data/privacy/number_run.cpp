#include "data/privacy/number_run.h"

#include <algorithm>

namespace plumb::data::privacy {
namespace {

bool is_word(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// One sign between digits as a plain character: ' ', '-', '.', '/', '(', ')', ':', ','; 0: something else.
char sign_at(std::string_view text, size_t at, int& bytes) {
  if (at >= text.size()) return 0;
  const unsigned char c = text[at];
  bytes = 1;
  if (c < 0x80)
    return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')' || c == ':' || c == ',' ? c : 0;
  if (c == 0xC2 && at + 1 < text.size()) {
    bytes = 2;
    const unsigned char d = text[at + 1];
    return d == 0xA0 ? ' ' : d == 0xAD ? '-' : 0;  // no-break space, soft hyphen
  }
  if (at + 2 >= text.size()) return 0;
  bytes = 3;
  const unsigned code =
      (c << 16) | (static_cast<unsigned char>(text[at + 1]) << 8) | static_cast<unsigned char>(text[at + 2]);
  if (code >= 0xE28090 && code <= 0xE28095) return '-';  // hyphen to horizontal bar
  if (code >= 0xE28080 && code <= 0xE2808A) return ' ';  // en quad to hair space
  switch (code) {
    case 0xE28892:  // minus
    case 0xEFB998:  // small em dash
    case 0xEFB9A3:  // small hyphen-minus
    case 0xEFBC8D:  // full-width hyphen-minus
    case 0xE385A1:  // Korean keyboards: the vowel eu in place of a dash
    case 0xE383BC:  // Japanese: the prolonged sound mark
      return '-';
    case 0xE280AF:
    case 0xE38080:
      return ' ';
    case 0xEFBC8E:
      return '.';
    case 0xEFBC8F:
      return '/';
    case 0xEFBC88:
      return '(';
    case 0xEFBC89:
      return ')';
    case 0xEFBC9A:
      return ':';
    default:
      return 0;
  }
}

Joint joint_of(std::string_view signs) {
  if (signs == " ") return Joint::space;
  if (signs == "-" || signs == " - " || signs == "- " || signs == " -") return Joint::dash;
  if (signs == ".") return Joint::dot;
  if (signs == "/" || signs == " / ") return Joint::slash;
  if (signs == ")" || signs == ") " || signs == ")-") return Joint::close;
  if (signs == "(" || signs == " (") return Joint::open;
  if (signs == ":") return Joint::colon;
  if (signs == ",") return Joint::comma;
  return Joint::end;
}

// What joins the digit before `at` with the next one; `at` moves there.
Joint joint_at(std::string_view text, size_t& at) {
  char signs[4];
  size_t count = 0, next = at;
  int bytes = 0;
  while (count < 4) {
    const char sign = sign_at(text, next, bytes);
    if (!sign) break;
    signs[count++] = sign;
    next += bytes;
  }
  char digit;
  if (count == 0 || count == 4 || !digit_at(text, next, digit)) return Joint::end;
  const Joint joint = joint_of({signs, count});
  if (joint != Joint::end) at = next;
  return joint;
}

}  // namespace

int digit_at(std::string_view text, size_t at, char& digit) {
  if (at >= text.size()) return 0;
  const unsigned char c = text[at];
  if (c >= '0' && c <= '9') {
    digit = static_cast<char>(c);
    return 1;
  }
  if (c != 0xEF || at + 2 >= text.size() || static_cast<unsigned char>(text[at + 1]) != 0xBC) return 0;
  const unsigned char last = text[at + 2];
  if (last < 0x90 || last > 0x99) return 0;
  digit = static_cast<char>('0' + (last - 0x90));
  return 3;
}

NumberRun::NumberRun(std::string_view text, size_t at, Joint before) : text_(text), before_(before) {
  size_t used = 0;
  for (;;) {
    Group& group = groups_[count_];
    group.begin = at;
    group.first = static_cast<uint16_t>(used);
    group.length = 0;
    char digit;
    while (const int bytes = digit_at(text, at, digit)) {
      if (group.length < max_digits) digits_[used++] = digit;
      if (group.length <= max_digits) ++group.length;
      at += bytes;
    }
    group.end = at;
    group.joint = joint_at(text, at);
    ++count_;
    if (group.joint == Joint::end) return;
    if (count_ == max_groups) {
      cut_ = true;
      return;
    }
  }
}

std::string_view NumberRun::digits(int group, int groups) const {
  const Group& last = groups_[group + groups - 1];
  const size_t end = last.first + std::min<size_t>(last.length, max_digits);
  return {digits_.data() + groups_[group].first, end - groups_[group].first};
}

bool NumberRun::starts(int group) const {
  const Joint joint = group > 0 ? groups_[group - 1].joint : before_;
  if (joint == Joint::dash || joint == Joint::dot) return false;
  if (joint != Joint::end) return true;
  const size_t begin = groups_[group].begin;
  if (begin == 0) return true;
  const unsigned char c = text_[begin - 1];
  if (is_word(c) || c == '%' || c == '\\') return false;
  if (c == '-' || c == '.')
    return begin == 1 || !is_word(text_[begin - 2]) ||
           (c == '.' && !(text_[begin - 2] >= '0' && text_[begin - 2] <= '9'));
  return true;
}

bool NumberRun::ends(int group) const {
  const Joint joint = groups_[group].joint;
  if (joint == Joint::dash || joint == Joint::dot) return false;
  const size_t end = groups_[group].end;
  if (end >= text_.size()) return true;
  const unsigned char c = text_[end];
  return !is_word(c) && c != '@' && c != '%' && !(c == '-' && end + 1 < text_.size() && is_word(text_[end + 1]));
}

bool NumberRun::money_before(int group) const {
  size_t begin = groups_[group].begin;
  if (begin > 0 && text_[begin - 1] == ' ') --begin;
  if (begin == 0) return false;
  const std::string_view before = text_.substr(0, begin);
  return before.ends_with('$') || before.ends_with('#') || before.ends_with("\xC2\xA3") ||
         before.ends_with("\xC2\xA5") || before.ends_with("\xE2\x82\xA9") ||
         before.ends_with("\xE2\x82\xAC");  // pound, yen, won, euro
}

bool NumberRun::plus_before(int group, size_t& begin) const {
  const size_t at = groups_[group].begin;
  if (group > 0 && groups_[group - 1].joint != Joint::open) return false;
  if (at >= 1 && text_[at - 1] == '+') {
    begin = at - 1;
  } else if (at >= 3 && text_.substr(at - 3, 3) == "\xEF\xBC\x8B") {
    begin = at - 3;
  } else {
    return false;
  }
  if (begin == 0) return true;
  const unsigned char c = text_[begin - 1];
  return !is_word(c) && c != '+' && c != ')' && c != ']' && c != '%';
}

bool NumberRun::open_before(int group) const {
  const size_t at = groups_[group].begin;
  return (at >= 1 && text_[at - 1] == '(') || (at >= 3 && text_.substr(at - 3, 3) == "\xEF\xBC\x88");
}

}  // namespace plumb::data::privacy
