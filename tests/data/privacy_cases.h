// Labelled texts for the rules of privacy: invented values in sentences as people write them, and texts that look like
// values and are none. Everything is made from a fixed seed; the arithmetic of checksums is written here once more, in
// another way than the rules have it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace plumb::data::privacy_cases {

struct Value {
  std::string kind;
  size_t begin = 0, end = 0;
  bool operator<(const Value& other) const {
    return std::tie(begin, end, kind) < std::tie(other.begin, other.end, other.kind);
  }
  bool operator==(const Value&) const = default;
};

struct Case {
  std::string text;
  std::vector<Value> values;
};

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
  std::string digits(int count) {
    std::string text;
    while (count-- > 0) text += static_cast<char>('0' + below(10));
    return text;
  }
  std::string from(const std::string& alphabet, int count) {
    std::string text;
    while (count-- > 0) text += alphabet[below(static_cast<int>(alphabet.size()))];
    return text;
  }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(static_cast<int>(list.size()))];
  }

 private:
  std::mt19937_64 engine_;
};

inline std::string padded(int value, int width) {
  std::string text = std::to_string(value);
  return std::string(std::max<int>(0, width - static_cast<int>(text.size())), '0') + text;
}

// ---- values ----

inline std::string birth(Dice& dice) {
  return padded(dice.between(40, 99), 2) + padded(dice.between(1, 12), 2) + padded(dice.between(1, 28), 2);
}

// The last digit that makes the number divisible, found by trying all.
inline std::string completed(const std::string& front, const std::function<bool(const std::string&)>& right) {
  for (char last = '0'; last <= '9'; ++last)
    if (right(front + last)) return front + last;
  return front + "?";
}

// A resident number's digits times 2..9, 2..5, 1 sum to a multiple of 11 less 0, or of 10 more when the rest is 10 or
// 0.
inline bool resident_right(const std::string& n, int base) {
  int sum = 0, weight = 2;
  for (int i = 0; i < 12; ++i, weight = weight == 9 ? 2 : weight + 1) sum += (n[i] - '0') * weight;
  int check = base - sum % 11;
  while (check >= 10) check -= 10;
  return check == n[12] - '0';
}

inline std::string resident(Dice& dice, bool old) {
  const std::string front = (old ? birth(dice) + dice.from("12", 1)
                                 : padded(dice.between(21, 24), 2) + padded(dice.between(1, 12), 2) +
                                       padded(dice.between(1, 28), 2) + dice.from("34", 1)) +
                            dice.digits(5);
  return old ? completed(front, [](const std::string& n) { return resident_right(n, 11); }) : front + dice.digits(1);
}

inline std::string foreigner(Dice& dice) {
  return completed(birth(dice) + dice.from("56", 1) + dice.digits(5),
                   [](const std::string& n) { return resident_right(n, 13); });
}

inline std::string business(Dice& dice) {
  const std::string front = std::to_string(dice.between(101, 899)) + padded(dice.between(1, 89), 2) + dice.digits(4);
  return completed(front, [](const std::string& n) {
    const std::string weights = "137137135";
    int sum = 0;
    for (int i = 0; i < 9; ++i) sum += (n[i] - '0') * (weights[i] - '0');
    sum += (n[8] - '0') * 5 / 10 + (n[9] - '0');
    return sum % 10 == 0;
  });
}

inline std::string card(Dice& dice) {
  static const std::vector<std::pair<std::string, int>> issuers = {{"4", 16},    {"51", 16},   {"55", 16}, {"2221", 16},
                                                                   {"2720", 16}, {"6011", 16}, {"65", 16}, {"3528", 16},
                                                                   {"62", 16},   {"9410", 16}};
  const auto& [prefix, length] = dice.pick(issuers);
  return completed(prefix + dice.digits(length - 1 - static_cast<int>(prefix.size())), [](const std::string& n) {
    int sum = 0;
    for (size_t i = 0; i < n.size(); ++i) {
      const int doubled = (n[n.size() - 1 - i] - '0') * (i % 2 ? 2 : 1);
      sum += doubled / 10 + doubled % 10;
    }
    return sum % 10 == 0;
  });
}

inline std::string amex(Dice& dice) {
  return completed(dice.pick<std::string>({"34", "37"}) + dice.digits(12), [](const std::string& n) {
    int sum = 0;
    for (size_t i = 0; i < n.size(); ++i) {
      const int doubled = (n[i] - '0') * (i % 2 ? 2 : 1);
      sum += doubled / 10 + doubled % 10;
    }
    return sum % 10 == 0;
  });
}

inline std::string account(Dice& dice) {
  static const std::vector<std::pair<std::string, int>> countries = {{"DE", 18}, {"FR", 23}, {"NL", 14}, {"GB", 18},
                                                                     {"ES", 20}, {"PL", 24}, {"CH", 17}, {"NO", 11}};
  const auto& [country, length] = dice.pick(countries);
  std::string inner = country == "NL" || country == "GB" ? dice.from("ABCDEFGHKLMN", 4) : "";
  inner += dice.digits(length - static_cast<int>(inner.size()));
  int rest = 0;  // of the number with check digits 00, by long division
  for (const char c : inner + country + "00") {
    const std::string figures = c >= 'A' ? std::to_string(c - 'A' + 10) : std::string(1, c);
    for (const char f : figures) rest = (rest * 10 + (f - '0')) % 97;
  }
  return country + padded(98 - rest, 2) + inner;
}

inline std::string grouped(const std::string& plain, const std::vector<int>& sizes, const std::string& joint) {
  std::string text;
  size_t at = 0;
  for (size_t i = 0; at < plain.size(); ++i) {
    const size_t size = sizes[std::min(i, sizes.size() - 1)];
    text += (at ? joint : "") + plain.substr(at, size);
    at += size;
  }
  return text;
}

inline std::string full_width(const std::string& plain) {
  std::string text;
  for (const char c : plain) {
    if (c >= '0' && c <= '9')
      text += "\xEF\xBC" + std::string(1, static_cast<char>(0x90 + (c - '0')));
    else if (c == '-')
      text += "\xEF\xBC\x8D";
    else
      text += c;
  }
  return text;
}

}  // namespace plumb::data::privacy_cases
