#include "data/privacy/finder.h"

#include <array>

#include "data/privacy/rules.h"

namespace plumb::data::privacy {
namespace {

// What a byte may be the beginning of. Of ordinary text one byte in thirty asks for a second look.
enum class Start : uint8_t { nothing, digit, at_sign, assignment, prefix, full_width };

constexpr std::array<Start, 256> make_starts() {
  std::array<Start, 256> starts{};
  for (int c = '0'; c <= '9'; ++c) starts[c] = Start::digit;
  starts['@'] = Start::at_sign;
  starts[':'] = starts['='] = Start::assignment;
  for (const char c : {'A', 'J', 'G', '-', '_'}) starts[static_cast<unsigned char>(c)] = Start::prefix;
  starts[0xEF] = Start::full_width;
  return starts;
}
constexpr std::array<Start, 256> starts = make_starts();

class Finder {
 public:
  Finder(std::string_view text, Kinds wanted, std::vector<Match>& found)
      : text_(text), wanted_(wanted), found_(found) {}

  void run() {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text_.data());
    const size_t size = text_.size();
    size_t at = 0;
    while (at < size) {
      const Start start = starts[bytes[at]];
      if (start == Start::nothing) {
        ++at;
      } else {
        at = look(start, at);
      }
    }
  }

 private:
  std::string_view text_;
  Kinds wanted_;
  std::vector<Match>& found_;
  size_t taken_ = 0;  // end of the last match

  bool wants(Kind kind) const { return wanted_ & bit(kind); }

  // Keeps a match of a wanted kind that does not reach into an earlier one.
  bool take(const Match& match) {
    if (!wants(match.kind) || match.begin < taken_) return false;
    found_.push_back(match);
    taken_ = match.end;
    return true;
  }
  bool take(const std::optional<Match>& match) { return match && take(*match); }

  // Looks at a place; where to go on.
  size_t look(Start start, size_t at) {
    switch (start) {
      case Start::digit:
        return numbers(at);
      case Start::full_width: {
        char digit;
        if (digit_at(text_, at, digit)) return numbers(at);
        if (text_.substr(at, 3) == "\xEF\xBC\xA0") return at_sign(at, 3);
        return at + 1;
      }
      case Start::at_sign:
        return at_sign(at, 1);
      case Start::assignment:
        if (wants(Kind::secret) && take(assigned_secret(text_, at))) return taken_;
        return at + 1;
      case Start::prefix:
        if (wants(Kind::secret) && may_be_prefix(at) && take(token_with_prefix(text_, at, taken_))) return taken_;
        return at + 1;
      case Start::nothing:
        break;
    }
    return at + 1;
  }

  // The cheap half of token_with_prefix.
  bool may_be_prefix(size_t at) const {
    const unsigned char c = text_[at], before = at > 0 ? text_[at - 1] : 0,
                        after = at + 1 < text_.size() ? text_[at + 1] : 0;
    switch (c) {
      case 'A':
        return (after == 'K' || after == 'S' || after == 'I') && !is_alnum(before);
      case 'J':
        return before == 'y';
      case 'G':
        return after == 'O' || after == '.';
      case '-':
        return after == '-' ? before != '-' : is_alnum(before);
      default:
        return is_alnum(before);
    }
  }

  size_t at_sign(size_t at, size_t bytes) {
    if (wants(Kind::secret) && take(url_password(text_, at, taken_))) return at + bytes;
    if (wants(Kind::email) && take(email_address(text_, at, taken_))) return taken_;
    return at + bytes;
  }

  // Values that begin before their first digit, or hold more than digits.
  bool around(size_t at) {
    const unsigned char before = at > 0 ? text_[at - 1] : 0;
    if (is_upper(before)) {
      if (wants(Kind::iban) && take(iban(text_, at))) return true;
      return wants(Kind::kr_passport) && take(passport_number(text_, at));
    }
    return (text_[at] == '2' || text_[at] == '3') && wants(Kind::ipv6) && take(ipv6_address(text_, at));
  }

  size_t numbers(size_t at) {
    Joint before = Joint::end;
    for (;;) {
      if (at >= taken_ && around(at)) return taken_;
      const NumberRun run(text_, at, before);
      // A long run is cut so that a value never lies across the cut: its last groups begin the next part.
      const int last = run.cut() ? run.count() - 8 : run.count();
      for (int group = 0; group < last;) {
        const int taken = number_at(run, group);
        if (taken == 0 && group > 0 && around(run[group].begin)) return taken_;
        group += taken ? taken : 1;
        if (group >= last && !run.cut()) return std::max(run[run.count() - 1].end, taken_);
        if (group >= last) {
          if (group >= run.count()) return std::max(run[run.count() - 1].end, taken_);
          before = run[group - 1].joint;
          at = run[group].begin;
        }
      }
    }
  }

  // How many groups from here a value takes; 0: none begins here.
  int number_at(const NumberRun& run, int group) {
    struct Rule {
      Kinds kinds;
      NumberRule find;
    };
    static constexpr std::array<Rule, 6> rules = {{{bit(Kind::ipv4), ipv4_address},
                                                   {bit(Kind::kr_rrn) | bit(Kind::kr_frn), resident_number},
                                                   {bit(Kind::card), card_number},
                                                   {bit(Kind::kr_brn), business_number},
                                                   {bit(Kind::kr_driver_license), driver_license},
                                                   {bit(Kind::phone), phone_number}}};
    if (run.length(group) == 1 && run.joint(group) == Joint::end) return 0;
    for (const auto& rule : rules) {
      if (!(wanted_ & rule.kinds)) continue;
      const auto match = rule.find(run, group);
      if (match && take(match->match)) return match->groups;
    }
    return 0;
  }
};

}  // namespace

void find_values(std::string_view text, Kinds wanted, std::vector<Match>& found) { Finder(text, wanted, found).run(); }

std::string canonical(Kind kind, std::string_view value) {
  std::string plain;
  switch (kind) {
    case Kind::secret:
      return std::string(value);
    case Kind::email:
    case Kind::ipv4:
    case Kind::ipv6:
      for (const unsigned char c : value) plain += static_cast<char>(is_upper(c) ? c + 32 : c);
      if (const size_t wide = plain.find("\xEF\xBC\xA0"); wide != std::string::npos) plain.replace(wide, 3, "@");
      return plain;
    case Kind::iban:
    case Kind::kr_passport:
      for (const unsigned char c : value)
        if (is_alnum(c)) plain += static_cast<char>(c);
      return plain;
    default:
      break;
  }
  char digit;
  for (size_t at = 0; at < value.size();) {
    const int bytes = digit_at(value, at, digit);
    if (bytes) plain += digit;
    at += bytes ? bytes : 1;
  }
  // +82 10-1234-5678 is 010-1234-5678.
  const bool plus = value.starts_with('+') || value.starts_with("\xEF\xBC\x8B");
  if (kind == Kind::phone && plus && plain.starts_with("82")) plain = (plain[2] == '0' ? "" : "0") + plain.substr(2);
  return plain;
}

}  // namespace plumb::data::privacy
