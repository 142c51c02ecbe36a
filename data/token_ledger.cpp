#include "data/token_ledger.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/error.h"

namespace plumb::data {

namespace {

struct Kind {
  const char* name;
  int64_t TokenLedger::*count;
};

constexpr std::array<Kind, 7> kKinds = {{{"in", &TokenLedger::in},
                                         {"trained", &TokenLedger::trained},
                                         {"masked", &TokenLedger::masked},
                                         {"first", &TokenLedger::first},
                                         {"too_long", &TokenLedger::too_long},
                                         {"positions", &TokenLedger::positions},
                                         {"padding", &TokenLedger::padding}}};

}  // namespace

void TokenLedger::keep(std::span<const float> weight) {
  if (weight.empty()) return;
  in += static_cast<int64_t>(weight.size());
  ++first;
  for (const float one : weight.subspan(1)) ++(one > 0 ? trained : masked);
}

TokenLedger& TokenLedger::operator+=(const TokenLedger& other) {
  for (const auto& kind : kKinds) this->*kind.count += other.*kind.count;
  return *this;
}

double TokenLedger::filled() const {
  return positions == 0 ? 0 : static_cast<double>(positions - padding) / static_cast<double>(positions);
}

nlohmann::ordered_json TokenLedger::json() const {
  nlohmann::ordered_json object;
  for (const auto& kind : kKinds) object[kind.name] = this->*kind.count;
  return object;
}

TokenLedger TokenLedger::from_json(const nlohmann::ordered_json& object, const std::string& where) {
  TokenLedger ledger;
  for (const auto& kind : kKinds) {
    const auto found = object.is_object() ? object.find(kind.name) : object.end();
    const bool number = found != object.end() && found->is_number_integer();
    const int64_t value = number ? found->get<int64_t>() : -1;
    if (value < 0 || value > int64_t{1} << 60) {
      fail_input(where, std::string("expected a count of tokens under \"") + kind.name + "\" of the ledger");
    }
    ledger.*kind.count = value;
  }
  if (!ledger.balanced()) fail_input(where, "the ledger of tokens does not balance");
  return ledger;
}

std::vector<TokenLedger::Line> TokenLedger::lines() const {
  const auto share = [](int64_t part, int64_t whole) {
    return whole == 0 ? std::string()
                      : fmt::format("({:.2f}%)", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  };
  std::vector<Line> lines = {{"tokens in", in, ""}, {"= trained", trained, share(trained, in)}};
  if (masked > 0) lines.push_back({"+ masked", masked, share(masked, in) + "  prompts, read without a loss"});
  if (first > 0) lines.push_back({"+ first", first, share(first, in) + "  of a document: nothing predicts it"});
  if (too_long > 0) lines.push_back({"+ too long", too_long, share(too_long, in) + "  of samples that were dropped"});
  if (positions > 0) {
    lines.push_back({"positions", positions, fmt::format("{:.2f}% filled", 100.0 * filled())});
    if (padding > 0) lines.push_back({"padding", padding, share(padding, positions)});
  }
  return lines;
}

}  // namespace plumb::data
