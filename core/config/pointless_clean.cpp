#include <algorithm>
#include <iterator>

#include "core/config/pointless.h"

namespace plumb::config {
namespace {

// The group of a rule that is off.
template <size_t i>
Pointless of_rule(const char* group) {
  const auto off = [](const Config& config) {
    const auto& rules = config.data.clean.rules;
    return std::find(rules.begin(), rules.end(), kCleanRules[i]) == rules.end();
  };
  return {group, "data.clean.rules", off, "has an effect only with its rule in data.clean.rules",
          "remove it, or add the rule to data.clean.rules"};
}

}  // namespace

std::vector<Pointless> pointless_clean() {
  static_assert(std::size(kCleanRules) == 6);
  return {of_rule<0>("data.clean.boilerplate"),
          of_rule<1>("data.clean.gopher_repetition"),
          of_rule<2>("data.clean.gopher_quality"),
          of_rule<3>("data.clean.c4"),
          of_rule<4>("data.clean.c4_paragraphs"),
          of_rule<5>("data.clean.fineweb"),
          {"data.clean.language_score", "data.clean.languages",
           [](const Config& config) { return config.data.clean.languages.empty(); },
           "has an effect only with data.clean.languages", "remove it, or write data.clean.languages: [en]"}};
}

}  // namespace plumb::config
