#include "trainer/tune/lora.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.h"

namespace plumb::tune {

namespace {
const std::vector<std::string> kLinears = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
}  // namespace

std::optional<model::LoraSpec> lora_from_config(const config::MethodSection& method) {
  if (method.adapter != "lora") return std::nullopt;
  model::LoraSpec lora;
  lora.rank = method.lora.rank;
  lora.alpha = method.lora.alpha;
  lora.dropout = method.lora.dropout;
  for (const auto& target : method.lora.targets) {
    if (target == "all_linear") {
      lora.targets = kLinears;
      break;
    }
    if (std::find(kLinears.begin(), kLinears.end(), target) == kLinears.end()) {
      fail_input("method.lora.targets", fmt::format("'{}' matches no matrix of the model", target),
                 "the names are all_linear, " + fmt::format("{}", fmt::join(kLinears, ", ")));
    }
    lora.targets.push_back(target);
  }
  return lora;
}

}  // namespace plumb::tune
