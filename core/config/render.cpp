// A configuration as text: resolved.yaml, `config show`, and what differs between two runs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/config/cross_rules.h"
#include "core/config/load.h"
#include "core/config/schema.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

std::vector<std::string> parts_of(const std::string& address) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= address.size();) {
    const size_t end = std::min(address.find('.', at), address.size());
    parts.push_back(address.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

const Origin* find_origin(const Loaded& loaded, const std::string& key) {
  for (const auto& origin : loaded.origins)
    if (origin.key == key) return &origin;
  return nullptr;
}

// What a file must not say again: keys without effect, the base's shape, a length made of another length.
std::set<std::string> comment_only(const Loaded& loaded) {
  std::set<std::string> keys;
  for (const auto& key : pointless_keys(loaded.config)) keys.insert(key);
  for (const auto& origin : loaded.origins)
    if (origin.origin == "base") keys.insert(origin.key);
  const auto& train = loaded.config.train;
  if (!train.steps) keys.insert("train.steps");
  if (!train.tokens) keys.insert("train.tokens");
  if (!train.epochs) keys.insert("train.epochs");
  const auto& data = loaded.config.data;
  if (!data.dataset.empty() || !data.validation.empty()) keys.insert("data.validation_share");
  return keys;
}

bool changes_weights(const Key& key) {
  static const std::set<std::string> weighty = {"model", "tokenizer", "data", "method", "train"};
  return !key.pace && weighty.contains(key.address.substr(0, key.address.find('.')));
}

// A longer run bends the schedule already driven, unless nothing in it depends on the length.
bool length_is_free(const Config& config) {
  const auto& schedule = config.train.schedule;
  if (schedule.length) return schedule.length->unit != Span::Unit::percent;
  return schedule.name == "constant" && schedule.warmup.unit != Span::Unit::percent;
}

// Unset in the file now, and filled from elsewhere in the run: the run's value goes on.
bool taken_from_run(const Origin& now) {
  static const std::set<std::string> filled = {"model.hidden_size",
                                               "model.intermediate_size",
                                               "model.num_hidden_layers",
                                               "model.num_attention_heads",
                                               "model.num_key_value_heads",
                                               "model.head_dim",
                                               "model.max_position_embeddings",
                                               "model.vocab_size",
                                               "model.rope_theta",
                                               "model.rms_norm_eps",
                                               "model.tie_word_embeddings",
                                               "model.initializer_range",
                                               "tokenizer.path"};
  return now.value == "auto" || (now.value.empty() && filled.contains(now.key));
}

}  // namespace

std::string to_resolved_yaml(const Loaded& loaded) {
  std::string text = "# Every key of this run with its origin; plumb runs this file as it is.\n";
  const auto comments = comment_only(loaded);
  std::vector<std::string> open;  // the groups that the last line stood in
  for (const auto& origin : loaded.origins) {
    if (origin.value.empty()) continue;
    const auto parts = parts_of(origin.key);
    const bool comment = comments.contains(origin.key);
    size_t shared = 0;
    while (shared + 1 < parts.size() && shared < open.size() && open[shared] == parts[shared]) ++shared;
    if (!comment) {
      for (size_t depth = shared; depth + 1 < parts.size(); ++depth)
        text += fmt::format("{:{}}{}:\n", "", 2 * depth, parts[depth]);
      open.assign(parts.begin(), parts.end() - 1);
    }
    std::string line = comment ? fmt::format("# {}: {}", origin.key, origin.value)
                               : fmt::format("{:{}}{}: {}", "", 2 * (parts.size() - 1), parts.back(), origin.value);
    text += fmt::format("{:<48}  # {}", line, origin.origin);
    if (!origin.replaced.empty()) text += ", instead of " + origin.replaced;
    text += "\n";
  }
  return text;
}

namespace {

// Where a value that only the opened base or tokenizer knows will come from.
std::string origin_text(const Loaded& loaded, const Origin& origin) {
  static const std::set<std::string> ways = {"model.preset", "model.base", "model.family"};
  const auto& config = loaded.config;
  if (!origin.value.empty() || origin.origin != "default") return origin.origin;
  const bool shape = origin.key.starts_with("model.") && !ways.contains(origin.key);
  if (!config.model.base.empty() && shape) return "the base's";
  if (!config.model.base.empty() && origin.key == "tokenizer.path" && config.tokenizer.type == "file") {
    return "the base's";
  }
  return origin.key == "model.vocab_size" ? "the tokenizer's" : origin.origin;
}

}  // namespace

std::string show(const Loaded& loaded) {
  size_t width = 0;
  for (const auto& origin : loaded.origins) width = std::max(width, origin.key.size());
  std::string text;
  for (const auto& origin : loaded.origins) {
    const std::string value = origin.value.empty() ? "–" : origin.value;
    text += fmt::format("{:<{}}  {:<24}  {}", origin.key, width, value, origin_text(loaded, origin));
    if (!origin.replaced.empty()) text += ", instead of " + origin.replaced;
    text += "\n";
  }
  return text;
}

std::vector<Difference> weight_differences(const Loaded& now, const std::string& resolved_yaml_of_run) {
  const Loaded then = load_config_text(resolved_yaml_of_run, "resolved.yaml", std::filesystem::current_path(), {},
                                       now.config.model.base.empty() ? Purpose::check : Purpose::tune);
  std::vector<Difference> differences;
  for (const auto& key : all_keys()) {
    if (!changes_weights(key)) continue;
    const Origin* ours = find_origin(now, key.address);
    const Origin* theirs = find_origin(then, key.address);
    if (!ours || !theirs || ours->value == theirs->value || taken_from_run(*ours)) continue;
    const bool length = key.address == "train.steps" || key.address == "train.tokens" || key.address == "train.epochs";
    if (length && length_is_free(now.config)) continue;
    // A length that was worked out from another one is not a key of the run.
    if (length && ours->origin != "command line" && ours->origin.find(':') == std::string::npos) {
      if (theirs->value.empty()) continue;
    }
    const auto shown = [](const std::string& value) { return value.empty() ? std::string("–") : value; };
    differences.push_back({key.address, shown(ours->value), shown(theirs->value)});
  }
  return differences;
}

}  // namespace plumb::config
